// The same steps as arm_azurestack.mjs with the unmodified Go client of azure-sdk-for-go v68. Takes the CA file as its
// argument and the question as JSON on standard input, prints what it was answered as JSON.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/Azure/azure-sdk-for-go/services/azurestack/mgmt/2017-06-01/azurestack"
	"github.com/Azure/go-autorest/autorest"
	"github.com/Azure/go-autorest/autorest/azure"
)

type customersAsked struct {
	Name, Customer, Tenant string
}

type question struct {
	URL, Token, Subscription, Group, Name, ManyGroup, RegistrationToken, RenewalToken string
	Customers                                                                         *customersAsked
}

type token string

func (t token) OAuthToken() string { return string(t) }

func text(value *string) any {
	if value == nil {
		return nil
	}
	return *value
}

func plain(found azurestack.Registration) map[string]any {
	answer := map[string]any{"id": text(found.ID), "name": text(found.Name), "type": text(found.Type),
		"location": text(found.Location), "etag": text(found.Etag)}
	if found.RegistrationProperties != nil {
		answer["cloudId"] = text(found.CloudID)
		answer["objectId"] = text(found.ObjectID)
		answer["billingModel"] = text(found.BillingModel)
	}
	return answer
}

func plainCustomer(found azurestack.CustomerSubscription) map[string]any {
	answer := map[string]any{"id": text(found.ID), "name": text(found.Name), "type": text(found.Type),
		"etag": text(found.Etag)}
	if found.CustomerSubscriptionProperties != nil {
		answer["tenantId"] = text(found.TenantID)
	}
	return answer
}

func codeOf(err error) any {
	var failure *azure.RequestError
	if errors.As(err, &failure) {
		return []any{failure.StatusCode, failure.ServiceError.Code}
	}
	var detailed autorest.DetailedError
	if errors.As(err, &detailed) {
		if failure, ok := detailed.Original.(*azure.RequestError); ok {
			return []any{failure.StatusCode, failure.ServiceError.Code}
		}
	}
	return fmt.Sprint(err)
}

func list(ctx context.Context, client azurestack.RegistrationsClient, group string) ([]any, error) {
	found := []any{}
	each, err := client.ListComplete(ctx, group)
	for ; err == nil && each.NotDone(); err = each.NextWithContext(ctx) {
		found = append(found, plain(each.Value()))
	}
	return found, err
}

func manageCustomers(ctx context.Context, client azurestack.CustomerSubscriptionsClient, group string,
	asked customersAsked) (map[string]any, error) {
	created, err := client.Create(ctx, group, asked.Name, asked.Customer, azurestack.CustomerSubscription{
		CustomerSubscriptionProperties: &azurestack.CustomerSubscriptionProperties{TenantID: &asked.Tenant}})
	if err != nil {
		return nil, err
	}
	got, err := client.Get(ctx, group, asked.Name, asked.Customer)
	if err != nil {
		return nil, err
	}
	listed := []any{}
	each, err := client.ListComplete(ctx, group, asked.Name)
	for ; err == nil && each.NotDone(); err = each.NextWithContext(ctx) {
		listed = append(listed, plainCustomer(each.Value()))
	}
	if err != nil {
		return nil, err
	}
	if _, err = client.Delete(ctx, group, asked.Name, asked.Customer); err != nil {
		return nil, err
	}
	_, missing := client.Get(ctx, group, asked.Name, asked.Customer)
	return map[string]any{"created": plainCustomer(created), "got": plainCustomer(got), "listed": listed,
		"missing": codeOf(missing)}, nil
}

func manage(ctx context.Context, asked question, client azurestack.RegistrationsClient,
	answer map[string]any) error {
	location := "global"
	parameter := func(token string) azurestack.RegistrationParameter {
		return azurestack.RegistrationParameter{Location: &location,
			RegistrationParameterProperties: &azurestack.RegistrationParameterProperties{RegistrationToken: &token}}
	}
	created, err := client.CreateOrUpdate(ctx, asked.Group, asked.Name, parameter(asked.RegistrationToken))
	if err != nil {
		return err
	}
	got, err := client.Get(ctx, asked.Group, asked.Name)
	if err != nil {
		return err
	}
	answer["created"], answer["got"] = plain(created), plain(got)
	if answer["listed"], err = list(ctx, client, asked.Group); err != nil {
		return err
	}
	if answer["many"], err = list(ctx, client, asked.ManyGroup); err != nil {
		return err
	}
	updated, err := client.Update(ctx, asked.Group, asked.Name, parameter(asked.RenewalToken))
	if err != nil {
		return err
	}
	key, err := client.GetActivationKey(ctx, asked.Group, asked.Name)
	if err != nil {
		return err
	}
	answer["updated"], answer["activationKey"] = plain(updated), text(key.ActivationKey)
	return nil
}

func run(caFile string) error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	authority, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	sender := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}

	ctx, answer := context.Background(), map[string]any{}
	client := azurestack.NewRegistrationsClientWithBaseURI(asked.URL, asked.Subscription)
	client.Authorizer, client.Sender = autorest.NewBearerAuthorizer(token(asked.Token)), sender
	if err := manage(ctx, asked, client, answer); err != nil {
		return err
	}
	if asked.Customers != nil {
		customers := azurestack.NewCustomerSubscriptionsClientWithBaseURI(asked.URL, asked.Subscription)
		customers.Authorizer, customers.Sender = client.Authorizer, sender
		if answer["customers"], err = manageCustomers(ctx, customers, asked.Group, *asked.Customers); err != nil {
			return err
		}
	}
	for range []int{1, 2} { // the second time it is absent: 204, no error
		if _, err := client.Delete(ctx, asked.Group, asked.Name); err != nil {
			return err
		}
	}
	_, missing := client.Get(ctx, asked.Group, asked.Name)
	answer["missing"] = codeOf(missing)
	return json.NewEncoder(os.Stdout).Encode(answer)
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
