/* Errors are values. One table holds every code that can reach a user: its name on the wire, HTTP
 * status, whether a retry can help, and a sentence with the remedy. Foreign codes (errno, LMDB, uv,
 * TLS) are wrapped into these at the one file that knows the foreign API.
 * Sources: interface.md section 3-5, spec/error-codes.csv, azurestack-spec section 8. */
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/text.h"

/* X(enumerator, wire code, HTTP status, retryable, text with remedy) */
#define ERROR_TABLE(X)                                                                                                 \
    X(OK, "OK", 200, false, "done")                                                                                    \
    /* verdicts of single records */                                                                                   \
    X(RECORD_DUPLICATE, "UsageRecordDuplicate", 200, false,                                                            \
      "a record with this source and id and the same content was accepted before; nothing to do")                      \
    X(RECORD_CONFLICT, "UsageRecordConflict", 409, false,                                                              \
      "a record with this source and id was accepted before with other content; correct the "                          \
      "original or post under a new id")                                                                               \
    X(INVALID_PROPERTY, "InvalidProperty", 400, false, "a value is missing or malformed")                              \
    X(USAGE_IN_FUTURE, "UsageInFuture", 400, false, "the usage ends later than now; check the producer's clock")       \
    X(USAGE_TOO_OLD, "UsageTooOld", 400, false,                                                                        \
      "the usage starts before the oldest accepted time; import it as history")                                        \
    X(SOURCE_NOT_ALLOWED, "SourceNotAllowed", 403, false,                                                              \
      "this producer may not post for that source; use the token issued for it")                                       \
    X(QUANTITY_OUT_OF_RANGE, "QuantityOutOfRange", 400, false,                                                         \
      "quantities are not negative, below 10^27 and have at most 30 decimals")                                         \
    X(RECORD_TOO_LARGE, "RecordTooLarge", 413, false, "a record is at most 64 KiB")                                    \
    /* whole requests */                                                                                               \
    X(INVALID_REQUEST_CONTENT, "InvalidRequestContent", 400, false, "the request body is malformed")                   \
    X(BAD_REQUEST, "BadRequest", 400, false, "the request is not valid HTTP")                                          \
    X(NO_API_VERSION, "NoApiVersion", 400, false,                                                                      \
      "the api-version query parameter is required; use api-version=2015-06-01-preview")                               \
    X(INVALID_API_VERSION, "InvalidApiVersionParameter", 400, false, "the api-version is not supported here")          \
    X(END_TIME_IN_FUTURE, "RequestEndTimeIsInFuture", 400, false,                                                      \
      "reportedEndTime lies in the future; use an hour or day that has ended")                                         \
    X(SUBSCRIPTION_ID_MISSING, "SubscriptionIdMissingInRequest", 400, false,                                           \
      "the path needs a subscription id: /subscriptions/{subscriptionId}/...")                                         \
    X(INVALID_GRANULARITY, "InvalidAggregationGranularity", 400, false, "aggregationGranularity is Daily or Hourly")   \
    X(NOT_DIRECT_TENANT, "SubscriberIdIsNotDirectTenant", 400, false,                                                  \
      "subscriberId is not the subscription of a direct tenant")                                                       \
    X(AUTHENTICATION_FAILED, "AuthenticationFailed", 401, false,                                                       \
      "the request carries no valid credentials; send Authorization: Bearer <token>")                                  \
    X(INVALID_TOKEN, "InvalidAuthenticationToken", 401, false,                                                         \
      "the access token is not valid here; ask the operator for a new one")                                            \
    X(EXPIRED_TOKEN, "ExpiredAuthenticationToken", 401, false,                                                         \
      "the access token has expired; ask the operator for a new one")                                                  \
    X(AUTHORIZATION_FAILED, "AuthorizationFailed", 403, false,                                                         \
      "this identity may not perform the action; use an identity with the role it needs")                              \
    X(SUBSCRIPTION_NOT_FOUND, "SubscriptionNotFound", 404, false, "the subscription could not be found")               \
    X(RECORD_NOT_FOUND, "RecordNotFound", 404, false,                                                                  \
      "there is no record with this source and id here; check both, and whose they are")                               \
    X(RESOURCE_NOT_FOUND, "ResourceNotFound", 404, false, "there is nothing at this address")                          \
    X(METHOD_NOT_ALLOWED, "MethodNotAllowed", 405, false, "see the Allow header")                                      \
    X(NOT_ACCEPTABLE, "NotAcceptable", 406, false, "see the documentation for the media types")                        \
    X(REQUEST_TIMEOUT, "RequestTimeout", 408, true, "the request came too slowly; send it again")                      \
    X(CONFLICT, "Conflict", 409, false, "the resource is in a state that does not allow this")                         \
    X(TOO_MANY_CORRECTIONS, "TooManyCorrections", 409, false,                                                          \
      "this record has been corrected 100 times; void it and post the right usage under a new id")                     \
    X(RECORD_NOT_KEPT, "RecordNotKept", 410, false,                                                                    \
      "the record was counted, but retention has dropped its part of the journal; settle it outside, or post "         \
      "what is missing under a new id")                                                                                \
    X(CHANGES_NOT_KEPT, "ChangesNotKept", 410, false,                                                                  \
      "retention has dropped that part of the journal; begin with the first sequence still kept")                      \
    X(USAGE_NOT_KEPT, "UsageNotKept", 410, false,                                                                      \
      "retention has dropped the rows of that time; begin later, or ask for a granularity that is kept longer")        \
    /* registration and customers (spec section 8, error-codes.csv; names without a source there are ours) */          \
    X(REGISTRATION_NOT_FOUND, "RegistrationNotFound", 404, false,                                                      \
      "check subscription id, resource group and registration name")                                                   \
    X(BAD_CUSTOMER_SUBSCRIPTION_ID, "BadCustomerSubscriptionId", 400, false,                                           \
      "the customer's subscription belongs to another partner than the registration's")                                \
    X(INVALID_CUSTOMER_SUBSCRIPTION_ID, "InvalidCustomerSubscriptionId", 400, false,                                   \
      "that is not a valid Azure subscription; correct the id")                                                        \
    X(CUSTOMER_SUBSCRIPTION_NOT_FOUND, "CustomerSubscriptionNotFound", 404, false,                                     \
      "the registration has no such customer subscription; add it with PUT")                                           \
    X(UNAUTHORIZED_CSP_REGISTRATION, "UnauthorizedCspRegistration", 403, false,                                        \
      "the registration is not approved for multitenancy; have it approved first")                                     \
    X(CUSTOMER_SUBSCRIPTIONS_NOT_ALLOWED, "CustomerSubscriptionsNotAllowed", 400, false,                               \
      "only PayAsYouUse registrations have customer subscriptions; register again with that model")                    \
    X(INVALID_CSP_SUBSCRIPTION, "InvalidCSPSubscription", 400, false,                                                  \
      "that is not a valid CSP subscription; correct the id")                                                          \
    X(METADATA_RESOLVER_BAD_GATEWAY, "MetadataResolverBadGatewayError", 502, true,                                     \
      "the upstream that knows subscriptions and partners failed; try again later")                                    \
    X(INVALID_REGISTRATION_TOKEN, "InvalidRegistrationToken", 400, false,                                              \
      "the registration token is malformed; make a new one on the stamp")                                              \
    X(INVALID_ACTIVATION_KEY, "InvalidActivationKey", 400, false,                                                      \
      "the activation key is not valid for this stamp; get it anew from the registration")                             \
    X(MISSING_AGREEMENT_NUMBER, "MissingAgreementNumber", 400, false,                                                  \
      "the Capacity model needs the agreement number under which it was ordered")                                      \
    X(MISSING_MS_ASSET_TAG, "MissingMsAssetTag", 400, false, "this billing model needs the asset tag of the product")  \
    X(CLOUD_ID_REGISTERED, "CloudIdAlreadyRegistered", 409, false,                                                     \
      "this stamp is registered under another name; renew that registration or delete it first")                       \
    X(PRECONDITION_FAILED, "PreconditionFailed", 412, false, "the etag does not match")                                \
    X(REQUEST_TOO_LARGE, "RequestEntityTooLarge", 413, false, "a body is at most 16 MiB; split it")                    \
    X(URI_TOO_LONG, "RequestUriTooLong", 414, false, "the request line is at most 8 KiB")                              \
    X(UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", 415, false,                                                      \
      "see the documentation for the accepted media types and encodings")                                              \
    X(EXPECTATION_FAILED, "ExpectationFailed", 417, false, "only Expect: 100-continue is known")                       \
    X(TOO_MANY_REQUESTS, "TooManyRequests", 429, true, "busy; send it again after Retry-After")                        \
    X(HEADERS_TOO_LARGE, "RequestHeaderFieldsTooLarge", 431, false, "headers are at most 64 fields and 16 KiB")        \
    X(INTERNAL, "InternalServerError", 500, true, "an error of the server; see its log")                               \
    X(NOT_IMPLEMENTED, "NotImplemented", 501, false, "this method or coding is not known")                             \
    X(HTTP_VERSION, "HttpVersionNotSupported", 505, false, "use HTTP/1.1")                                             \
    X(SERVICE_UNAVAILABLE, "ServiceUnavailable", 503, true, "busy; send it again after Retry-After")                   \
    X(INSUFFICIENT_STORAGE, "InsufficientStorage", 503, true,                                                          \
      "the disk or the store's map is full; free space, then send it again")                                           \
    /* causes that end a command (exit 3) or stay inside */                                                            \
    X(NO_MEMORY, "NoMemory", 503, true, "out of memory")                                                               \
    X(IO, "InputOutput", 500, true, "reading or writing failed")                                                       \
    X(NOT_FOUND, "NotFound", 404, false, "not found")                                                                  \
    X(EXISTS, "AlreadyExists", 409, false, "exists already")                                                           \
    X(STORE_IN_USE, "StoreInUse", 500, false,                                                                          \
      "another process uses the data directory; stop it or choose another directory")                                  \
    X(STORE_NEWER, "StoreNewer", 500, false, "the store was written by a newer version; use that version")             \
    X(STORE_CORRUPT, "StoreCorrupt", 500, false, "the store is damaged; restore a backup")                             \
    X(ADDRESS_IN_USE, "AddressInUse", 500, false, "the address is taken; stop the other process or listen elsewhere")  \
    X(INVALID_CONFIG, "InvalidConfiguration", 500, false, "the configuration is not valid")                            \
    X(CANCELLED, "Cancelled", 503, true, "cancelled because the server is shutting down")                              \
    X(TLS, "TlsError", 500, true, "the TLS connection failed")

enum error_code {
#define ERROR_ENUMERATOR(name, wire, status, retryable, text) ERROR_##name,
    ERROR_TABLE(ERROR_ENUMERATOR)
#undef ERROR_ENUMERATOR
        ERROR_COUNT
};

/* 0 (ERROR_OK) is success. Every function that returns one is MUST_CHECK. */
typedef enum error_code err_t;

/* Wire code, e.g. "InvalidProperty". */
const char *error_wire_code(err_t error);
/* HTTP status, 200 to 505. */
int error_http_status(err_t error);
/* Whether the same request can succeed later. */
bool error_retryable(err_t error);
/* The table's sentence with the remedy; used when no better message exists. */
const char *error_text(err_t error);

#define ERROR_TARGET_SIZE 64
/* Room for a sentence, and for a registration's resource id with names of full length. */
#define ERROR_MESSAGE_SIZE 512

/* What a person gets to read about one failure. Passed by pointer where detail helps; the message is
 * valid UTF-8 and always terminated. */
struct error_info {
    err_t code;
    char target[ERROR_TARGET_SIZE];
    char message[ERROR_MESSAGE_SIZE];
};

/* Fills *info (may be NULL) and returns code, so that callers write return error_set(...). target may
 * be NULL; a NULL format takes the table's text. Over-long text is cut at a UTF-8 boundary. */
err_t error_set(struct error_info *info, err_t code, const char *target, const char *format, ...) PRINTF_LIKE(4, 5);
