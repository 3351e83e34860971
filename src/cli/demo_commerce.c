/* The demo's partners, subscriptions, registrations and mappings, as data, and the jobs that write them. Identities are
 * fixed. Mapped tenants of demo_tables.c have a customer subscription here, the others don't; two of the others could
 * be mapped by hand, to a subscription that is active and to one that is refused. */
#include "cli/demo_commerce.h"

#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "commerce/catalogue.h"
#include "registration/activation.h"
#include "registration/customers.h"
#include "registration/registration.h"

#define BY TEXT("commerce")
#define CLOUD_ID "f5fac26a-6208-5366-b750-bfcbc984349f"
#define DEPLOYMENT_ID "58ccb636-109e-5a82-beb6-6749997d00c5"
#define OBJECT_ID "901333d3-af79-50b6-9ab9-71283933796c"
#define DIRECT_PARTNER "a8974f0a-00d8-5c0b-8a30-29dad87981aa"
#define PROVIDER "89a95d89-37c8-55cc-bebd-5a037c2b3cdf"
#define RESELLER "e754c54b-98c3-555c-9726-eaad3015955e"
#define PROVIDER_BASE "89aac877-4908-5501-8647-0daa085f3be1"
#define OTHER_CLOUD_ID "61ae9020-34ce-52c2-aa10-46bcd7b214db"
#define STAMP_VERSION STAMPMETER_VERSION

static const struct {
    const char *id, *name;
    enum partner_kind kind;
    const char *provider;
} partners[] = {
    { DIRECT_PARTNER, "Fourth Coffee Cloud Services", PARTNER_DIRECT, "" },
    { PROVIDER, "Consolidated Messenger Distribution", PARTNER_INDIRECT_PROVIDER, "" },
    { RESELLER, "Lamna Reselling", PARTNER_INDIRECT_RESELLER, PROVIDER },
};

struct sold {
    const char *id, *tenant;
    const char *partner, *reseller; /* NULL: none */
    enum offer offer;
    bool active;
};
static const struct sold subscriptions[] = {
    /* the registration's own, in the partner's shared-services tenant */
    { "be19bf30-366a-5b4f-98f0-abbce3e20f60", "a01df7df-75ba-54ce-9263-6bb029a2bd6a", DIRECT_PARTNER, NULL, OFFER_APSS,
      true },
    /* customers: Contoso, Fabrikam (two), Northwind, Tailspin, Proseware, Wide World Importers */
    { "da21b2c5-e657-565c-942c-b7eb7409758d", "9952a54f-435e-500d-88ca-b0b91ef59864", DIRECT_PARTNER, NULL, OFFER_CSP,
      true },
    { "bb3a9eee-621d-5ab7-8b35-17f69bf8f983", "759d3872-af63-5e04-a6ad-f3c2fa78543a", DIRECT_PARTNER, NULL, OFFER_CSP,
      true },
    { "e46b01b8-4c7e-5c8c-aafc-614180a86c7b", "759d3872-af63-5e04-a6ad-f3c2fa78543a", DIRECT_PARTNER, NULL, OFFER_CSP,
      true },
    { "01397e70-9474-5d79-8fa7-7a739fb8eeeb", "1de6cb9e-86bd-5ecc-a325-c2ca30d0a55e", DIRECT_PARTNER, NULL, OFFER_CSP,
      true },
    { "cc94c893-78cc-5ffc-bd15-cf8ff6361e15", "a5eafeba-2415-549b-a60a-1a71450d285b", DIRECT_PARTNER, NULL, OFFER_CSP,
      true },
    { "9abc46f7-8b97-577c-80e4-e3e15e5b896f", "9eb8940f-55f8-59d9-b31c-981e734ab4c0", DIRECT_PARTNER, NULL, OFFER_CSP,
      true },
    { "3cdf4c88-8e29-55db-933b-a375de6bc392", "7ca93f1f-12d9-576d-8f76-1adade91a4c7", DIRECT_PARTNER, NULL, OFFER_CSP,
      true },
    /* not mapped yet: Adventure Works; and Litware's, which was given up */
    { "cde69c87-dfc7-5316-9e4f-4f6b428dfd72", "b2f55b85-8abf-5c7f-8ab9-bd22a96b1049", DIRECT_PARTNER, NULL, OFFER_CSP,
      true },
    { "9aa03e12-ba95-5b03-995f-f446a4d524d7", "2f39b849-44bc-521f-90dd-7806fb4ed053", DIRECT_PARTNER, NULL, OFFER_CSP,
      false },
    /* no partner's; and another partner's: its base subscription and a customer of its reseller */
    { "8e7bbb35-0812-5758-afea-29817f9f131c", "030c2705-b91f-5f42-8009-64802b13f65c", NULL, NULL, OFFER_EA, true },
    { PROVIDER_BASE, "efeaee68-5a7c-5ad2-ab92-947d4bafa756", PROVIDER, RESELLER, OFFER_CSP, true },
    { "2c8acdd1-a02b-51ef-a8f4-298c4b6196fd", "97a71b04-515d-5e3f-b125-e7ea0e9bc992", PROVIDER, RESELLER, OFFER_CSP,
      true },
};

/* Hours before the start at which a mapping takes effect. */
#define FROM_THE_FIRST (DEMO_HISTORY_HOURS + 24)
#define HALF_WAY (DEMO_HISTORY_HOURS / 2)
struct mapping {
    const char *tenant, *customer;
    int hours_ago;
};
static const struct mapping mappings[] = {
    { "9952a54f-435e-500d-88ca-b0b91ef59864", "da21b2c5-e657-565c-942c-b7eb7409758d", FROM_THE_FIRST },
    { "759d3872-af63-5e04-a6ad-f3c2fa78543a", "bb3a9eee-621d-5ab7-8b35-17f69bf8f983", FROM_THE_FIRST },
    { "759d3872-af63-5e04-a6ad-f3c2fa78543a", "e46b01b8-4c7e-5c8c-aafc-614180a86c7b", HALF_WAY },
    { "1de6cb9e-86bd-5ecc-a325-c2ca30d0a55e", "01397e70-9474-5d79-8fa7-7a739fb8eeeb", FROM_THE_FIRST },
    { "a5eafeba-2415-549b-a60a-1a71450d285b", "cc94c893-78cc-5ffc-bd15-cf8ff6361e15", FROM_THE_FIRST },
    { "9eb8940f-55f8-59d9-b31c-981e734ab4c0", "9abc46f7-8b97-577c-80e4-e3e15e5b896f", FROM_THE_FIRST },
    { "7ca93f1f-12d9-576d-8f76-1adade91a4c7", "3cdf4c88-8e29-55db-933b-a375de6bc392", FROM_THE_FIRST },
};

static struct guid guid_of(const char *text)
{
    struct guid guid = { { 0 } };
    bool valid = guid_parse(text_of(text), &guid);
    REQUIREF(valid, "'%s' in the demo's tables is not a GUID", text);
    return guid;
}

struct stamp demo_stamp_ids(void)
{
    return (struct stamp){ .cloud_id = guid_of(CLOUD_ID), .deployment_id = guid_of(DEPLOYMENT_ID) };
}

/* A refusal here is a mistake in the tables. */
static err_t ran(err_t error, err_t refusal, struct error_info *refused, struct error_info *info)
{
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the demo's commercial data could not be written: %s", error_text(error));
    return refusal == ERROR_OK
               ? ERROR_OK
               : error_set(info, refusal, NULL, "the demo's commercial data were refused: %s", refused->message);
}

/* --- catalogue --- */

static err_t make_partners(struct store *store, struct arena *arena, struct error_info *info)
{
    for (size_t i = 0; i < COUNT_OF(partners); i++) {
        const struct partner partner = { text_of(partners[i].id), text_of(partners[i].name), partners[i].kind,
                                         text_of(partners[i].provider) };
        struct partner_put put;
        partner_put_init(&put, &partner, arena);
        err_t error = store_run(store, &put.job);
        error = ran(error, put.refusal, &put.info, info);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static err_t make_subscriptions(struct store *store, struct arena *arena, struct error_info *info)
{
    for (size_t i = 0; i < COUNT_OF(subscriptions); i++) {
        const struct sold *sold = &subscriptions[i];
        const struct commercial_subscription subscription = {
            .id = guid_of(sold->id),
            .tenant_id = guid_of(sold->tenant),
            .partner_id = text_of(sold->partner != NULL ? sold->partner : ""),
            .reseller_id = text_of(sold->reseller != NULL ? sold->reseller : ""),
            .offer = sold->offer,
            .active = sold->active,
        };
        struct catalogue_put put;
        catalogue_put_init(&put, &subscription, arena);
        err_t error = store_run(store, &put.job);
        error = ran(error, put.refusal, &put.info, info);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

/* --- registrations --- */

static struct registration_path own_path(void)
{
    return (struct registration_path){ guid_of(demo_commerce.subscription), text_of(demo_commerce.resource_group),
                                       text_of(demo_commerce.registration) };
}

static err_t put_registration(struct store *store, struct arena *arena, const struct registration_path *path,
                              const struct registration_token *token, int64_t backdate_ns, uint64_t *number,
                              struct error_info *info)
{
    struct registration_put put = { 0 };
    put.path = *path;
    put.token = token;
    put.by = BY;
    put.by_user = true;
    put.arena = arena;
    put.backdate_ns = backdate_ns;
    registration_put_init(&put);
    err_t error = store_run(store, &put.job);
    *number = put.result.number;
    return ran(error, put.refusal, &put.info, info);
}

static err_t put_approval(struct store *store, struct arena *arena, uint64_t number, enum approval_state state,
                          struct error_info *info)
{
    struct approval_put put;
    approval_put_init(&put, number, state, BY, arena);
    err_t error = store_run(store, &put.job);
    return ran(error, put.refusal, &put.info, info);
}

/* This machine's facts, as `stampmeter registration token` would read them. */
static err_t make_own(struct store *store, struct arena *arena, uint64_t *number, struct error_info *info)
{
    struct stamp ids = demo_stamp_ids();
    struct hardware_node node = { 0 };
    err_t error = stamp_hardware(arena, "", &node);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, NULL);
    struct registration_token token = {
        .model = BILLING_PAY_AS_YOU_USE,
        .cloud_id = ids.cloud_id,
        .object_id = guid_of(OBJECT_ID),
        .agreement_number = TEXT(""),
        .ms_asset_tag = TEXT(""),
        .usage_reporting = true,
        .marketplace_syndication = true,
        .stamp_version = TEXT(STAMP_VERSION),
        .issuer = REGISTRATION_TOKEN_ISSUER,
        .version = REGISTRATION_TOKEN_VERSION,
        .nodes = &node,
        .node_count = 1,
        .has_public_key = true,
    };
    memcpy(token.public_key, store_signature_key(store)->public_key, sizeof token.public_key);
    struct registration_path path = own_path();
    error = put_registration(store, arena, &path, &token, FROM_THE_FIRST * NS_PER_HOUR, number, info);
    return error == ERROR_OK ? put_approval(store, arena, *number, APPROVAL_APPROVED, info) : error;
}

/* A stamp of somebody else's, four nodes, that has asked for approval. */
static err_t make_other(struct store *store, struct arena *arena, struct error_info *info)
{
    static const char *const names[] = { "node01", "node02", "node03", "node04" };
    static const char *const uuids[] = { "0c8f4ec11ae04b5c8e0b7f4b6a1d0001", "0c8f4ec11ae04b5c8e0b7f4b6a1d0002",
                                         "0c8f4ec11ae04b5c8e0b7f4b6a1d0003", "0c8f4ec11ae04b5c8e0b7f4b6a1d0004" };
    struct hardware_node *nodes = arena_array(arena, COUNT_OF(names), sizeof *nodes);
    uint64_t number;
    if (nodes == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        nodes[i].name = text_of(names[i]);
        nodes[i].uuid = text_of(uuids[i]);
        nodes[i].cores = 28;
    }
    const struct registration_token token = {
        .model = BILLING_PAY_AS_YOU_USE,
        .cloud_id = guid_of(OTHER_CLOUD_ID),
        .agreement_number = TEXT(""),
        .ms_asset_tag = TEXT(""),
        .usage_reporting = true,
        .stamp_version = TEXT(STAMP_VERSION),
        .issuer = REGISTRATION_TOKEN_ISSUER,
        .version = REGISTRATION_TOKEN_VERSION,
        .nodes = nodes,
        .node_count = COUNT_OF(names),
    };
    const struct registration_path path = { guid_of(PROVIDER_BASE), TEXT("azurestack"),
                                            TEXT("azurestack-" OTHER_CLOUD_ID) };
    err_t error = put_registration(store, arena, &path, &token, 0, &number, info);
    return error == ERROR_OK ? put_approval(store, arena, number, APPROVAL_REQUESTED, info) : error;
}

/* --- who pays --- */

static err_t make_mappings(struct store *store, struct arena *arena, const struct demo_stamp *stamp, uint64_t number,
                           struct error_info *info)
{
    struct customer_line lines[COUNT_OF(mappings)];
    for (size_t i = 0; i < COUNT_OF(mappings); i++)
        lines[i] = (struct customer_line){
            .tenant_id = guid_of(mappings[i].tenant),
            .mapped = true,
            .customer_id = guid_of(mappings[i].customer),
            .effective_ns = hour_start_ns(stamp->start_hour - mappings[i].hours_ago),
        };
    struct customer_apply apply;
    customer_apply_init(&apply, lines, COUNT_OF(lines));
    apply.base.registration = number;
    apply.base.by = BY;
    apply.base.request = TEXT("");
    apply.base.arena = arena;
    err_t error = store_run(store, &apply.base.job);
    return ran(error, apply.base.refusal, &apply.base.info, info);
}

err_t demo_commerce_make(struct store *store, struct arena *arena, const struct demo_stamp *stamp,
                         struct error_info *info)
{
    uint64_t number = 0;
    err_t error = make_partners(store, arena, info);
    if (error == ERROR_OK)
        error = make_subscriptions(store, arena, info);
    if (error == ERROR_OK)
        error = make_own(store, arena, &number, info);
    if (error == ERROR_OK)
        error = make_mappings(store, arena, stamp, number, info);
    return error == ERROR_OK ? make_other(store, arena, info) : error;
}

/* --- activation --- */

static err_t sign_key(struct store *store, struct arena *arena, struct text url, struct text *key_text,
                      struct error_info *info)
{
    const struct registration_path path = own_path();
    const struct activation_key key = {
        .subscription_id = path.subscription_id,
        .resource_group = path.resource_group,
        .registration_name = path.name,
        .cloud_id = guid_of(CLOUD_ID),
        .object_id = guid_of(OBJECT_ID),
        .model = BILLING_PAY_AS_YOU_USE,
        .usage_endpoint = url,
        .usage_resource_uri = TEXT("https://usage.microsoftazurestack.com"),
        .marketplace_endpoint = TEXT("https://management.azure.com"),
        .marketplace_resource_uri = TEXT("https://marketplace.microsoftazurestack.com"),
        .usage_reporting = true,
        .marketplace_syndication = true,
        .issued_ns = store_now_ns(store),
        .expires_ns = ACTIVATION_NEVER_EXPIRES,
        .issuer = TEXT("Stampmeter"),
        .version = TEXT("1.0"),
    };
    struct buffer text = { 0 };
    err_t error = activation_key_sign(&key, store_signature_key(store), &text);
    *key_text = error == ERROR_OK ? arena_text(arena, buffer_text(&text)) : TEXT_NONE;
    buffer_free(&text);
    return key_text->ptr != NULL ? ERROR_OK : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
}

err_t demo_commerce_activate(struct store *store, struct arena *arena, struct text url, struct error_info *info)
{
    struct text key_text;
    struct activation_put put;
    err_t error = sign_key(store, arena, url, &key_text, info);
    if (error != ERROR_OK)
        return error;
    activation_put_init(&put, arena, key_text, TEXT("operator"));
    error = store_run(store, &put.job);
    return ran(error, put.refusal, &put.info, info);
}
