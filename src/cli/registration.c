/* stampmeter registration token|show|activate: how a stamp is registered, also without a network: the token goes out as
 * text, the activation key comes back as text. */
#include <stdio.h>
#include <string.h>

#include "api/registration_stamp.h"
#include "base/files.h"
#include "base/members.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "registration/activation.h"
#include "registration/stamp.h"

#define MODEL_DEFAULT "Development"
#define ACTIVATION_PATH                                                                                                \
    "/subscriptions/%.*s/resourceGroups/azurestack-activation/providers/Microsoft.AzureBridge.Admin/activations/"      \
    "default?api-version=2016-01-01"

/* --- either side --- */

/* A refusal that is about what was given, not about the connection: its whole message, and exit code 1. */
static err_t refusal_of(const struct remote_answer *answer, struct arena *arena, struct error_info *info)
{
    const struct json *body;
    struct text message;
    if (answer->status != 400 || json_parse(arena, buffer_text(&answer->body), &body, NULL) != ERROR_OK ||
        !json_member_string(json_member(body, TEXT("error")), TEXT("message"), &message))
        return remote_refusal(answer, info);
    return error_set(info, ERROR_INVALID_PROPERTY, NULL, "%.*s", TEXT_ARGS(message));
}

/* Appends the answer of a running server. */
static err_t ask(struct admin *admin, enum http_method method, struct text target, struct text body, struct buffer *out,
                 struct error_info *info)
{
    struct remote_answer answer;
    err_t error = remote_call(&admin->remote, method, target, body, &answer, info);
    if (error != ERROR_OK)
        return error;
    if (answer.status == 200)
        buffer_append_text(out, buffer_text(&answer.body));
    else
        error = refusal_of(&answer, admin->arena, info);
    buffer_free(&answer.body);
    return error;
}

static struct stamp_facts local_facts(const struct admin *admin)
{
    return (struct stamp_facts){ .version = TEXT(STAMPMETER_VERSION),
                                 .trusted_key_id = options_text(&admin->config, OPTION_REGISTRATION_TRUSTED_KEY_ID),
                                 .key = store_signature_key(admin->store),
                                 .now_ns = store_now_ns(admin->store) };
}

static err_t check_role(const struct admin *admin, struct error_info *info)
{
    if (options_number(&admin->config, OPTION_SERVER_ROLE) != SERVER_ROLE_COMMERCE)
        return ERROR_OK;
    return error_set(info, ERROR_INVALID_CONFIG, "server.role",
                     "server.role is commerce, which registers stamps and is none; use a stamp's data directory");
}

/* Appends the object of GET /v1/registration. */
static err_t read_state(struct admin *admin, struct buffer *out, struct error_info *info)
{
    struct kv_txn *txn;
    struct json_writer json = json_writer(out);
    if (admin->is_remote)
        return ask(admin, HTTP_GET, TEXT("/v1/registration"), TEXT_NONE, out, info);
    err_t error = check_role(admin, info);
    if (error != ERROR_OK)
        return error;
    const struct stamp_facts facts = local_facts(admin);
    error = store_read_begin(admin->store, &txn);
    if (error == ERROR_OK) {
        error = put_registration_state(&json, admin->arena, txn, &facts);
        store_read_end(txn);
    }
    if (error == ERROR_NOT_FOUND)
        return error_set(info, error, NULL,
                         "this stamp has no cloud id yet; start its server once, or make a registration token");
    return error == ERROR_OK
               ? ERROR_OK
               : error_set(info, error, NULL, "the registration could not be read: %s", error_text(error));
}

/* --- token --- */

static const struct flag token_flags[] = {
    { "--billing-model", "MODEL", "PayAsYouUse, Capacity, Development, Custom or Ruggedized. Default: Development.", 0,
      false },
    { "--agreement-number", "NUMBER", "With Capacity: the agreement under which it was ordered.", 0, false },
    { "--ms-asset-tag", "TAG", "With Custom and Ruggedized: the tag that is printed on the product.", 0, false },
    { "--usage-reporting", "on|off", "Whether usage is reported. Default: as the billing model has it.", 0, false },
    { "--output", "FILE", "Writes the token into a file that only you may read, instead of printing it.", 0, false },
    ADMIN_FLAGS,
};

static const struct command token_command = {
    .name = "registration token",
    .arguments = "",
    .about =
        "Makes the token that this stamp is registered with: its cloud id, hardware facts as hashes, billing model. "
        "Take it to the commercial side as properties.registrationToken of the registration.",
    .flags = token_flags,
    .flag_count = COUNT_OF(token_flags),
};

/* The body of POST /v1/registration/token, in the arena; ptr NULL when memory is short. */
static struct text token_request(struct admin *admin)
{
    const char *model = flags_value(admin->flags, "--billing-model");
    const char *reporting = flags_value(admin->flags, "--usage-reporting");
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    json_begin_object(&json);
    put_member(&json, "billingModel", text_of(model != NULL ? model : MODEL_DEFAULT));
    put_member_if(&json, "agreementNumber", text_of(flags_value(admin->flags, "--agreement-number")));
    put_member_if(&json, "msAssetTag", text_of(flags_value(admin->flags, "--ms-asset-tag")));
    if (reporting != NULL)
        put_bool_member(&json, "usageReporting", strcmp(reporting, "on") == 0);
    json_end_object(&json);
    struct text copy = text.failed ? TEXT_NONE : arena_text(admin->arena, buffer_text(&text));
    buffer_free(&text);
    return copy;
}

/* What can be wrong with the flags is said here, before anybody is asked. Negative: go on. */
static int check_request(const struct admin *admin, struct text request, struct registration_token *token)
{
    const struct json *body;
    struct error_info info = { 0 };
    const char *reporting = flags_value(admin->flags, "--usage-reporting");
    if (reporting != NULL && strcmp(reporting, "on") != 0 && strcmp(reporting, "off") != 0)
        return flags_wrong(admin->flags, "--usage-reporting is on or off, not \"%.20s\"", reporting);
    if (request.ptr == NULL || json_parse(admin->arena, request, &body, &info) != ERROR_OK)
        return cli_cannot_run(&(struct error_info){ .code = ERROR_NO_MEMORY });
    switch ((int)registration_token_wanted(body, token, &info)) {
    case ERROR_OK:
        break;
    case ERROR_MISSING_AGREEMENT_NUMBER:
        return flags_wrong(admin->flags, "the billing model Capacity needs --agreement-number NUMBER");
    case ERROR_MISSING_MS_ASSET_TAG:
        return flags_wrong(admin->flags, "the billing model %s needs --ms-asset-tag TAG",
                           billing_model_name(token->model));
    default:
        return flags_wrong(admin->flags, "%s", info.message);
    }
    if (reporting != NULL && token->usage_reporting != (strcmp(reporting, "on") == 0))
        fprintf(stderr, "The billing model %s %s usage; --usage-reporting %s is not heeded.\n",
                billing_model_name(token->model), token->usage_reporting ? "always reports" : "never reports",
                reporting);
    return -1;
}

static err_t make_token_local(struct admin *admin, struct registration_token *token, struct buffer *out,
                              struct error_info *info)
{
    struct stamp_make make;
    struct kv_txn *txn;
    struct json_writer json = json_writer(out);
    err_t error = check_role(admin, info);
    if (error != ERROR_OK)
        return error;
    stamp_make_init(&make, NULL);
    struct text detail = describe_registration_token(token, admin->arena);
    const struct stamp_facts facts = local_facts(admin);
    error = admin_run_audited(admin, &make.job, "registration.token", "registration", "", detail, NULL);
    if (error == ERROR_OK)
        error = store_read_begin(admin->store, &txn);
    if (error == ERROR_OK) {
        error = put_registration_token(&json, admin->arena, txn, &facts, token);
        store_read_end(txn);
    }
    return error == ERROR_OK ? ERROR_OK
                             : error_set(info, error, NULL, "the token could not be made: %s", error_text(error));
}

static err_t write_token(const char *path, struct text token, struct error_info *info)
{
    struct buffer line = { 0 };
    buffer_append_text(&line, token);
    buffer_append_char(&line, '\n');
    err_t error = line.failed ? error_set(info, ERROR_NO_MEMORY, NULL, NULL)
                              : file_write_durable(path, buffer_text(&line), 0600, info);
    buffer_free(&line);
    return error;
}

/* The token alone goes to standard output, so that a script can take it as it is. */
static int print_token(struct admin *admin, struct text answer)
{
    const struct json *object;
    struct error_info info = { 0 };
    struct text token;
    const char *path = flags_value(admin->flags, "--output");
    if (json_parse(admin->arena, answer, &object, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    if (!json_member_string(object, TEXT("registrationToken"), &token))
        return cli_fail(CLI_CANNOT_RUN, "the server's answer holds no token; use the same version here and there");
    if (path != NULL && write_token(path, token, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    if (flags_has(admin->flags, "--json"))
        printf("%.*s\n", TEXT_ARGS(text_trim(answer)));
    else if (path == NULL)
        printf("%.*s\n", TEXT_ARGS(token));
    struct text model = admin_member(object, TEXT("billingModel")), cloud = admin_member(object, TEXT("cloudId"));
    fprintf(stderr, "Token for the stamp %.*s, billing model %.*s%s%s.\n", TEXT_ARGS(cloud), TEXT_ARGS(model),
            path != NULL ? ": " : "", path != NULL ? path : "");
    return cli_finish(stdout, CLI_DONE);
}

static int run_token(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct registration_token token;
    struct error_info info = { 0 };
    struct buffer answer = { 0 };
    int code = flags_parse(&token_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open(&flags, &admin);
    if (code >= 0)
        return code;
    struct text request = token_request(&admin);
    code = check_request(&admin, request, &token);
    if (code >= 0)
        return admin_close(&admin, code);
    err_t error = admin.is_remote ? ask(&admin, HTTP_POST, TEXT("/v1/registration/token"), request, &answer, &info)
                                  : make_token_local(&admin, &token, &answer, &info);
    code = error == ERROR_OK ? print_token(&admin, buffer_text(&answer)) : admin_fail(error, &info);
    buffer_free(&answer);
    return admin_close(&admin, code);
}

/* --- show --- */

static const struct flag show_flags[] = { ADMIN_FLAGS };

static const struct command show_command = {
    .name = "registration show",
    .arguments = "",
    .about = "Shows whether this stamp is registered, with whom, by which billing model and until when.",
    .flags = show_flags,
    .flag_count = COUNT_OF(show_flags),
};

/* What a server says is shown, never obeyed by the terminal: control characters become question marks. */
static void print_line(const struct json *object, const char *title, const char *name)
{
    struct text value;
    if (!json_member_string(object, text_of(name), &value))
        return;
    printf("%-20s", title);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        putchar(c < ' ' || c == 0x7f ? '?' : c);
    }
    putchar('\n');
}

static int print_state(struct admin *admin, struct text state)
{
    const struct json *object;
    struct error_info info = { 0 };
    if (json_parse(admin->arena, state, &object, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    if (flags_has(admin->flags, "--json")) {
        printf("%.*s\n", TEXT_ARGS(text_trim(state)));
        return cli_finish(stdout, CLI_DONE);
    }
    print_line(object, "State", "state");
    print_line(object, "Cloud id", "cloudId");
    print_line(object, "Deployment id", "deploymentId");
    print_line(object, "Version", "stampVersion");
    print_line(object, "Public key", "publicKeyId");
    print_line(object, "Trusted signer", "trustedSigner");
    const struct json *activation = json_member(object, TEXT("activation"));
    if (activation != NULL) {
        const struct json *expires = json_member(activation, TEXT("expires"));
        const struct json *reporting = json_member(activation, TEXT("usageReporting"));
        bool reports = reporting != NULL && json_type(reporting) == JSON_TRUE;
        print_line(activation, "Registration", "registrationResourceId");
        print_line(activation, "Billing model", "billingModel");
        printf("%-20s%s\n", "Usage reporting", reports ? "on" : "off");
        print_line(activation, "Usage endpoint", "usageEndpoint");
        print_line(activation, "Expires", "expires");
        if (expires == NULL || json_type(expires) == JSON_NULL)
            printf("%-20s%s\n", "Expires", "never");
        print_line(activation, "Activated", "activatedTime");
        print_line(activation, "By", "by");
        print_line(activation, "Signer", "signerKeyId");
    }
    return cli_finish(stdout, CLI_DONE);
}

static int show(struct admin *admin)
{
    struct error_info info = { 0 };
    struct buffer state = { 0 };
    err_t error = read_state(admin, &state, &info);
    int code = error == ERROR_OK ? print_state(admin, buffer_text(&state)) : admin_fail(error, &info);
    buffer_free(&state);
    return code;
}

static int run_show(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    int code = flags_parse(&show_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open(&flags, &admin);
    return code >= 0 ? code : admin_close(&admin, show(&admin));
}

/* --- activate --- */

static const struct flag activate_flags[] = { ADMIN_FLAGS };

static const struct command activate_command = {
    .name = "registration activate",
    .arguments = "FILE|-",
    .about = "Activates this stamp with the activation key of its registration: the text itself, or the answer of "
             "getactivationkey as it came. Exit code 1: the key was refused, and why.",
    .flags = activate_flags,
    .flag_count = COUNT_OF(activate_flags),
    .arguments_min = 1,
    .arguments_max = 1,
};

/* The key, in the arena. */
static err_t read_key(struct admin *admin, struct text *key, struct error_info *info)
{
    const char *path = admin->flags->arguments[0];
    struct buffer file = { 0 };
    const struct json *object;
    err_t error = file_read(path, ACTIVATION_KEY_SIZE_MAX + 1024, &file, info);
    if (error == ERROR_OK) {
        *key = arena_text(admin->arena, text_trim(buffer_text(&file)));
        error = key->ptr == NULL ? error_set(info, ERROR_NO_MEMORY, NULL, NULL) : ERROR_OK;
    }
    buffer_free(&file);
    if (error != ERROR_OK)
        return error;
    if (key->len > 0 && key->ptr[0] == '{' &&
        (json_parse(admin->arena, *key, &object, NULL) != ERROR_OK ||
         !json_member_string(object, TEXT("activationKey"), key)))
        return error_set(info, ERROR_INVALID_PROPERTY, NULL,
                         "%.100s is JSON without a member activationKey; give the answer of getactivationkey", path);
    return key->len > 0 ? ERROR_OK
                        : error_set(info, ERROR_INVALID_PROPERTY, NULL,
                                    "%.100s is empty; give the activation key of the registration", path);
}

static err_t activate_local(struct admin *admin, struct text key, struct error_info *info)
{
    struct activation_put put;
    err_t error = check_role(admin, info);
    if (error != ERROR_OK)
        return error;
    activation_put_init(&put, admin->arena, key, AUDIT_BY_COMMAND);
    put.trusted_key_id = options_text(&admin->config, OPTION_REGISTRATION_TRUSTED_KEY_ID);
    error =
        admin_run_audited(admin, &put.job, "activation.put", "activations/", "default", TEXT_NONE, activation_was_put);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the activation could not be stored: %s", error_text(error));
    if (put.refusal == ERROR_OK)
        return ERROR_OK;
    return error_set(info, ERROR_INVALID_PROPERTY, NULL, "%s", put.info.message);
}

/* {"value":[{"subscriptionId"}]}: the operator's own subscription comes first. */
static err_t operator_subscription(struct admin *admin, struct text *id, struct error_info *info)
{
    struct buffer list = { 0 };
    const struct json *json = NULL, *value;
    err_t error = ask(admin, HTTP_GET, TEXT("/subscriptions"), TEXT_NONE, &list, info);
    struct text copy = error == ERROR_OK ? arena_text(admin->arena, buffer_text(&list)) : TEXT_NONE;
    buffer_free(&list);
    if (error == ERROR_OK)
        error = copy.ptr == NULL ? error_set(info, ERROR_NO_MEMORY, NULL, NULL)
                                 : json_parse(admin->arena, copy, &json, info);
    if (error != ERROR_OK)
        return error;
    value = json_member(json, TEXT("value"));
    if (value != NULL && json_type(value) == JSON_ARRAY)
        for (struct json_iterator i = json_iterate(value); json_next(&i);)
            if (json_member_string(i.value, TEXT("subscriptionId"), id))
                return ERROR_OK;
    return error_set(info, ERROR_INTERNAL, NULL,
                     "the server names no subscription of this token; use an operator's token of a stamp");
}

static err_t activate_remote(struct admin *admin, struct text key, struct error_info *info)
{
    struct buffer body = { 0 }, answer = { 0 };
    struct text subscription;
    err_t error = operator_subscription(admin, &subscription, info);
    if (error != ERROR_OK)
        return error;
    struct text target = arena_format(admin->arena, ACTIVATION_PATH, TEXT_ARGS(subscription));
    struct json_writer json = json_writer(&body);
    json_begin_object(&json);
    json_name(&json, "properties");
    json_begin_object(&json);
    put_member(&json, "activationKey", key);
    json_end_object(&json);
    json_end_object(&json);
    error = body.failed || target.ptr == NULL ? error_set(info, ERROR_NO_MEMORY, NULL, NULL)
                                              : ask(admin, HTTP_PUT, target, buffer_text(&body), &answer, info);
    buffer_free(&body);
    buffer_free(&answer);
    return error;
}

static int run_activate(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    struct text key;
    int code = flags_parse(&activate_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open(&flags, &admin);
    if (code >= 0)
        return code;
    err_t error = read_key(&admin, &key, &info);
    if (error == ERROR_NOT_FOUND) /* the file's path, not what the server says */
        return admin_close(&admin, cli_cannot_run(&info));
    if (error == ERROR_OK)
        error = admin.is_remote ? activate_remote(&admin, key, &info) : activate_local(&admin, key, &info);
    code = error == ERROR_OK ? show(&admin) : admin_fail(error, &info);
    return admin_close(&admin, code);
}

int command_registration(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "token", "Makes the token that this stamp is registered with.", run_token },
        { "show", "Shows whether this stamp is registered.", run_show },
        { "activate", "Activates this stamp with the key of its registration.", run_activate },
    };
    int code = CLI_DONE;
    const struct cli_command *command =
        cli_choose("stampmeter registration", commands, COUNT_OF(commands), argc, argv, &code);
    return command != NULL ? command->run(argc - 1, argv + 1) : code;
}
