/* Unit tests of registration/billing_model: the table of spec 6.1 and 7.2, written down a second time. */
#include "support/testing.h"

#include "base/attributes.h"
#include "registration/billing_model.h"

static const struct {
    const char *name;
    bool by_default, when_wanted, when_not_wanted, customers, charged;
    err_t bare; /* without agreement number and asset tag */
} expected[BILLING_MODEL_COUNT] = {
    { "PayAsYouUse", true, true, true, true, true, ERROR_OK },
    { "Capacity", false, false, false, false, false, ERROR_MISSING_AGREEMENT_NUMBER },
    { "Development", true, true, false, false, false, ERROR_OK },
    { "Custom", false, true, false, false, true, ERROR_MISSING_MS_ASSET_TAG },
    { "Ruggedized", true, true, false, false, true, ERROR_MISSING_MS_ASSET_TAG },
};

static void models_are_as_the_specification_has_them(void **state)
{
    (void)state;
    for (int m = 0; m < BILLING_MODEL_COUNT; m++) {
        enum billing_model model = (enum billing_model)m;
        struct error_info info = { 0 };
        assert_string_equal(billing_model_name(model), expected[m].name);
        assert_int_equal(billing_model_reports_by_default(model), expected[m].by_default);
        assert_int_equal(billing_model_reports(model, true), expected[m].when_wanted);
        assert_int_equal(billing_model_reports(model, false), expected[m].when_not_wanted);
        assert_int_equal(billing_model_allows_customers(model), expected[m].customers);
        assert_int_equal(billing_model_charges_usage(model), expected[m].charged);
        assert_error(billing_model_check(model, TEXT(""), TEXT(" \n"), &info), expected[m].bare);
        assert_int_equal(info.code, expected[m].bare);
        assert_ok(billing_model_check(model, TEXT("123"), TEXT("tag"), &info));
    }
}

static void names_are_read_without_case(void **state)
{
    (void)state;
    enum billing_model model = BILLING_MODEL_COUNT;
    assert_true(billing_model_parse(TEXT("payasyouuse"), &model));
    assert_int_equal(model, BILLING_PAY_AS_YOU_USE);
    assert_true(billing_model_parse(TEXT("RUGGEDIZED"), &model));
    assert_int_equal(model, BILLING_RUGGEDIZED);
    assert_false(billing_model_parse(TEXT("PayAsYouGo"), &model));
    assert_false(billing_model_parse(TEXT(""), &model));
    assert_int_equal(model, BILLING_RUGGEDIZED);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    struct error_info info = { 0 };
    assert_error(billing_model_check(BILLING_CAPACITY, TEXT_NONE, TEXT("tag"), &info), ERROR_MISSING_AGREEMENT_NUMBER);
    assert_string_equal(info.target, "agreementNumber");
    assert_non_null(strstr(info.message, "Capacity"));
    assert_error(billing_model_check(BILLING_CUSTOM, TEXT("123"), TEXT_NONE, &info), ERROR_MISSING_MS_ASSET_TAG);
    assert_string_equal(info.target, "msAssetTag");
    assert_non_null(strstr(info.message, "Custom"));
}

TESTS(cmocka_unit_test(models_are_as_the_specification_has_them), cmocka_unit_test(names_are_read_without_case),
      cmocka_unit_test(what_is_missing_is_named))
