/* The refusals of customer subscriptions: which one, in which order, with which facts. */
#include "customer_fixture.h"

static const struct guid customer = { { 0xCC, 1 } };

static struct registration registration_of(enum billing_model model)
{
    return (struct registration){ .number = 1, .path = stamp_path(1, "stamp1"), .model = model };
}

/* Everything is as it should be. */
static struct customer_facts good(void)
{
    return (struct customer_facts){
        .approved = true,
        .base_known = true,
        .customer_known = true,
        .base = { .partner_id = TEXT("p"), .reseller_id = TEXT(""), .offer = OFFER_APSS, .active = true },
        .customer = { .id = customer,
                      .partner_id = TEXT("p"),
                      .reseller_id = TEXT(""),
                      .offer = OFFER_CSP,
                      .active = true },
    };
}

static err_t check(const struct customer_facts *facts, struct error_info *info)
{
    const struct registration registration = registration_of(BILLING_PAY_AS_YOU_USE);
    *info = (struct error_info){ 0 };
    return customer_check(&registration, &customer, facts, info);
}

static void says(const struct error_info *info, const char *fact)
{
    if (strstr(info->message, fact) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", info->message, fact);
}

static void a_customer_of_the_same_partner_is_fine(void **state)
{
    (void)state;
    struct error_info info;
    struct customer_facts facts = good();
    assert_ok(check(&facts, &info));
    facts.base.offer = OFFER_CSP;
    assert_ok(check(&facts, &info));
    /* The base is sold by the provider himself: customers of any of his resellers. */
    facts.customer.reseller_id = TEXT("r");
    assert_ok(check(&facts, &info));
}

static void each_cause_has_its_refusal(void **state)
{
    (void)state;
    struct error_info info;
    struct customer_facts facts = good();
    facts.approved = false;
    assert_error(check(&facts, &info), ERROR_UNAUTHORIZED_CSP_REGISTRATION);
    facts = good();
    facts.base_known = false;
    assert_error(check(&facts, &info), ERROR_UNAUTHORIZED_CSP_REGISTRATION);
    facts = good();
    facts.base.offer = OFFER_EA;
    assert_error(check(&facts, &info), ERROR_UNAUTHORIZED_CSP_REGISTRATION);
    facts = good();
    facts.customer_known = false;
    assert_error(check(&facts, &info), ERROR_INVALID_CUSTOMER_SUBSCRIPTION_ID);
    says(&info, "cc010000-0000-0000-0000-000000000000");
    facts = good();
    facts.customer.offer = OFFER_APSS;
    assert_error(check(&facts, &info), ERROR_INVALID_CSP_SUBSCRIPTION);
    facts = good();
    facts.customer.active = false;
    assert_error(check(&facts, &info), ERROR_INVALID_CSP_SUBSCRIPTION);
    facts = good();
    facts.customer.partner_id = TEXT("q");
    assert_error(check(&facts, &info), ERROR_BAD_CUSTOMER_SUBSCRIPTION_ID);
    facts = good();
    facts.base.reseller_id = TEXT("r");
    assert_error(check(&facts, &info), ERROR_BAD_CUSTOMER_SUBSCRIPTION_ID);
    facts.customer.reseller_id = TEXT("r");
    assert_ok(check(&facts, &info));
}

/* As the catalogue compares them; a resolver may write them in another case. */
static void partners_are_compared_without_case(void **state)
{
    (void)state;
    struct error_info info;
    struct customer_facts facts = good();
    facts.base.partner_id = TEXT("Contoso");
    facts.customer.partner_id = TEXT("contoso");
    facts.base.reseller_id = TEXT("Litware");
    facts.customer.reseller_id = TEXT("LITWARE");
    assert_ok(check(&facts, &info));
    facts.customer.reseller_id = TEXT("litware2");
    assert_error(check(&facts, &info), ERROR_BAD_CUSTOMER_SUBSCRIPTION_ID);
}

static void only_one_model_has_customers(void **state)
{
    (void)state;
    for (int model = 0; model < BILLING_MODEL_COUNT; model++) {
        struct error_info info = { 0 };
        struct customer_facts facts = good();
        struct registration registration = registration_of((enum billing_model)model);
        facts.approved = model == BILLING_PAY_AS_YOU_USE; /* the model comes first */
        err_t expected = model == BILLING_PAY_AS_YOU_USE ? ERROR_OK : ERROR_CUSTOMER_SUBSCRIPTIONS_NOT_ALLOWED;
        assert_error(customer_check(&registration, &customer, &facts, &info), expected);
        assert_error(customer_check_model(&registration, &info), expected);
        if (expected != ERROR_OK)
            says(&info, billing_model_name((enum billing_model)model));
    }
}

static void the_longest_names_leave_room_for_the_remedy(void **state)
{
    (void)state;
    char name[REGISTRATION_NAME_SIZE_MAX];
    struct error_info info = { 0 };
    struct customer_facts facts = good();
    struct registration registration = registration_of(BILLING_PAY_AS_YOU_USE);
    memset(name, 'n', sizeof name);
    registration.path.name = (struct text){ name, sizeof name };
    registration.path.resource_group = (struct text){ name, sizeof name };
    facts.approved = false;
    assert_error(customer_check(&registration, &customer, &facts, &info), ERROR_UNAUTHORIZED_CSP_REGISTRATION);
    says(&info, "5b000000-0000-0000-0000-000000000001");
    says(&info, "{\"multitenant\":true}.");
    facts = good();
    facts.base.reseller_id = TEXT("r");
    assert_error(customer_check(&registration, &customer, &facts, &info), ERROR_BAD_CUSTOMER_SUBSCRIPTION_ID);
    says(&info, "reseller can be added.");
}

static void ids_are_guids_in_lower_case(void **state)
{
    (void)state;
    struct guid id;
    struct error_info info = { 0 };
    assert_ok(customer_id_parse(TEXT("cc010000-0000-0000-0000-0000000000ff"), &id, &info));
    assert_int_equal(id.bytes[15], 0xFF);
    assert_error(customer_id_parse(TEXT("cc010000-0000-0000-0000-0000000000fF"), &id, &info),
                 ERROR_BAD_CUSTOMER_SUBSCRIPTION_ID);
    says(&info, "0000000000fF");
    static const char *const none[] = { "",
                                        "me",
                                        "cc010000-0000-0000-0000-0000000000f",
                                        "cc010000-0000-0000-0000-0000000000ff0",
                                        "cc0100000000000000000000000000ff",
                                        "00000000-0000-0000-0000-000000000000" };
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_error(customer_id_parse(text_of(none[i]), &id, &info), ERROR_INVALID_CUSTOMER_SUBSCRIPTION_ID);
}

TESTS(cmocka_unit_test(a_customer_of_the_same_partner_is_fine), cmocka_unit_test(each_cause_has_its_refusal),
      cmocka_unit_test(only_one_model_has_customers), cmocka_unit_test(the_longest_names_leave_room_for_the_remedy),
      cmocka_unit_test(ids_are_guids_in_lower_case), cmocka_unit_test(partners_are_compared_without_case))
