"""The same steps as arm_azurestack.mjs with the unmodified client azure-mgmt-azurestack 1.0.1, and two calls that only
it has: the list by subscription, and remote management, which it asks for without an api-version."""
import time

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.mgmt.azurestack import AzureStackManagementClient
from azure.mgmt.azurestack.models import CustomerSubscription, RegistrationParameter


class Credential:
    def __init__(self, token):
        self.token = token

    def get_token(self, *_, **__):
        return AccessToken(self.token, int(time.time()) + 3600)


def plain(found):
    return {"id": found.id, "name": found.name, "type": found.type, "location": found.location, "etag": found.etag,
            "cloudId": found.cloud_id, "objectId": found.object_id, "billingModel": found.billing_model}


def plain_customer(found):
    return {"id": found.id, "name": found.name, "type": found.type, "etag": found.etag, "tenantId": found.tenant_id}


def code_of(call, *arguments):
    try:
        call(*arguments)
        return None
    except HttpResponseError as error:
        return [error.status_code, error.error.code]


def manage_customers(client, group, asked):
    name, customer = asked["name"], asked["customer"]
    created = client.create(group, name, customer, CustomerSubscription(tenant_id=asked["tenant"]))
    answer = {"created": plain_customer(created), "got": plain_customer(client.get(group, name, customer)),
              "listed": [plain_customer(found) for found in client.list(group, name)]}
    client.delete(group, name, customer)
    answer["missing"] = code_of(client.get, group, name, customer)
    return answer


def manage(asked, ca_file):
    group, name = asked["group"], asked["name"]
    with AzureStackManagementClient(Credential(asked["token"]), asked["subscription"], base_url=asked["url"],
                                    connection_verify=ca_file) as client:
        registrations = client.registrations

        def parameter(token):
            return RegistrationParameter(location="global", registration_token=token)
        answer = {"created": plain(registrations.create_or_update(group, name, parameter(asked["registrationToken"])))}
        got = registrations.get(group, name)
        answer["got"] = plain(got)
        answer["systemData"] = got.system_data.as_dict() if got.system_data else None
        answer["listed"] = [plain(found) for found in registrations.list(group)]
        answer["many"] = [plain(found) for found in registrations.list(asked["manyGroup"])]
        answer["listedAll"] = [plain(found) for found in registrations.list_by_subscription()]
        answer["updated"] = plain(registrations.update(group, name, parameter(asked["renewalToken"])))
        answer["activationKey"] = registrations.get_activation_key(group, name).activation_key
        registrations.enable_remote_management(group, name)
        answer["products"] = len(list(client.products.list(group, name)))
        answer["operations"] = [found.name for found in client.operations.list()]
        if asked.get("customers"):
            answer["customers"] = manage_customers(client.customer_subscriptions, group, asked["customers"])
        registrations.delete(group, name)
        registrations.delete(group, name)  # absent: 204, no error
        answer["missing"] = code_of(registrations.get, group, name)
    return answer
