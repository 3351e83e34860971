/* An activation key and somebody who signs it. For tests linked with src/registration. */
#pragma once

#include "support/testing.h"

#include "registration/activation_key.h"

#define CLOUD "f5fac26a-6f2a-4c5e-9e0a-0c5a3a1b7d11"
#define PAYER "11111111-2222-3333-4444-555555555555"

static inline struct activation_key sample_key(void)
{
    struct activation_key key = { .resource_group = TEXT("azurestack"),
                                  .registration_name = TEXT("azurestack-one"),
                                  .model = BILLING_PAY_AS_YOU_USE,
                                  .usage_endpoint = TEXT("https://commerce.example:8443"),
                                  .usage_resource_uri = TEXT("https://usage.microsoftazurestack.com"),
                                  .marketplace_endpoint = TEXT("https://management.azure.com"),
                                  .marketplace_resource_uri = TEXT("https://marketplace.microsoftazurestack.com"),
                                  .usage_reporting = true,
                                  .issued_ns = test_instant("2026-01-31T12:00:00.1234567Z"),
                                  .expires_ns = test_instant("2027-01-31T12:00:00Z"),
                                  .issuer = TEXT("Stampmeter"),
                                  .version = TEXT("1.0") };
    assert_true(guid_parse(TEXT(CLOUD), &key.cloud_id));
    assert_true(guid_parse(TEXT(PAYER), &key.subscription_id));
    return key;
}

static inline struct signature_key new_signer(void)
{
    struct signature_key signer;
    assert_ok(signature_key_new(&signer));
    return signer;
}

/* Signed, in the arena. */
static inline struct text key_text(struct arena *arena, const struct activation_key *key,
                                   const struct signature_key *signer)
{
    struct buffer out = { 0 };
    assert_ok(activation_key_sign(key, signer, &out));
    struct text copy = arena_text(arena, buffer_text(&out));
    buffer_free(&out);
    assert_non_null(copy.ptr);
    return copy;
}
