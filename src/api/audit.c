/* GET /v1/audit: who changed what, when; and what handlers need to have their changes written there. The commerce role
 * sees the entries of the commercial side. */
#include "store/audit.h"

#include "api/api_internal.h"
#include "base/members.h"

#define LIMIT_DEFAULT 100
/* Pages that are read for one of the commerce role, until something on them is its business. */
#define READ_PAGES_MAX 50

struct audit_call {
    struct read_job job; /* first member */
    uint64_t after, before;
    bool newest_first;
    size_t limit;
};

static void put_entry(struct json_writer *json, const struct audit_entry *entry, struct arena *arena)
{
    json_begin_object(json);
    struct text number = arena_format(arena, "%llu", (unsigned long long)entry->number);
    put_member(json, "sequence", number);
    put_time_member(json, "time", entry->time_ns);
    put_member(json, "by", entry->by);
    put_member(json, "action", entry->action);
    put_member(json, "subject", entry->subject);
    if (entry->detail.ptr != NULL) {
        json_name(json, "detail");
        json_put_raw(json, entry->detail);
    }
    put_member_if(json, "requestId", entry->request);
    json_end_object(json);
}

/* registration.token is the stamp's: there the token is made. */
static bool is_of_commerce(const struct audit_entry *entry)
{
    static const char *const beginnings[] = {
        "partner.",         "commerceSubscription.", "approval.",        "customer.",
        "registration.put", "registration.delete",   "registration.act", "registration.remote",
    };
    for (size_t i = 0; i < COUNT_OF(beginnings); i++)
        if (text_starts_with(entry->action, text_of(beginnings[i])))
            return true;
    return false;
}

/* Writes one page; *last is the number of its last entry, shown or not, and *shown how many were. */
static err_t put_page(struct audit_call *call, struct kv_txn *txn, struct json_writer *json, uint64_t *last,
                      size_t *shown, bool *more)
{
    struct arena *arena = http_arena(call->job.exchange);
    bool all = call_of(call->job.exchange)->identity.role == ROLE_OPERATOR;
    struct audit_entry *entries;
    size_t count;
    err_t error = call->newest_first ? audit_list_newest(txn, arena, call->before, call->limit, &entries, &count, more)
                                     : audit_list(txn, arena, call->after, call->limit, &entries, &count, more);
    if (error != ERROR_OK)
        return error;
    *shown = 0;
    for (size_t i = 0; i < count; i++) {
        if (!all && !is_of_commerce(&entries[i]))
            continue;
        put_entry(json, &entries[i], arena);
        ++*shown;
    }
    *last = count > 0 ? entries[count - 1].number : 0;
    return ERROR_OK;
}

static err_t read_entries(struct read_job *job, struct kv_txn *txn)
{
    struct audit_call *call = (struct audit_call *)job;
    struct arena *arena = http_arena(job->exchange);
    uint64_t last_number = 0;
    size_t shown = 0;
    bool more = true;
    struct json_writer json = json_writer(&job->body);
    json_begin_object(&json);
    json_name(&json, "value");
    json_begin_array(&json);
    for (int page = 0; page < READ_PAGES_MAX && more && shown == 0; page++) {
        err_t error = put_page(call, txn, &json, &last_number, &shown, &more);
        if (error != ERROR_OK)
            return error;
        call->after = call->before = last_number;
    }
    json_end_array(&json);
    if (more) {
        struct text last = arena_format(arena, "%llu", (unsigned long long)last_number);
        struct text way = call->newest_first ? TEXT("before") : TEXT("after");
        put_member(&json, "nextLink", link_with(job->exchange, way, last));
    }
    json_end_object(&json);
    return ERROR_OK;
}

/* before, even without a number, asks for the newest first; a number for what is older than that. */
static bool read_before(struct http_exchange *exchange, struct audit_call *call)
{
    unsigned long long number = UINT64_MAX;
    struct text text = http_query(http_request(exchange), TEXT("before"), &call->newest_first);
    if (text.len > 0 && !text_to_u64(text, &number)) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "before", "before must be the sequence of an entry");
        return false;
    }
    call->before = number;
    return true;
}

void handle_audit(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct audit_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!read_page_parameters(exchange, LIMIT_DEFAULT, AUDIT_PAGE_ENTRIES_MAX, &call->after, &call->limit) ||
        !read_before(exchange, call))
        return;
    call->job.read = read_entries;
    read_job_start(&call->job, exchange);
}

struct text request_id_text(struct http_exchange *exchange)
{
    char id[GUID_TEXT_SIZE];
    guid_print(&http_request(exchange)->request_id, id);
    return arena_text(http_arena(exchange), text_of(id));
}

void write_call_start_audited(struct write_call *call, struct store_job *job, struct http_exchange *exchange,
                              const struct audit_entry *entry, bool (*happened)(struct audited_job *audited),
                              void (*answer)(struct write_call *call))
{
    struct arena *arena = http_arena(exchange);
    struct audited_job *audited = arena_zalloc(arena, sizeof *audited);
    struct text request = request_id_text(exchange);
    if (audited == NULL || request.ptr == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    audited_job_init(audited, job, entry, happened);
    audited->entry.by = call_of(exchange)->identity.name;
    audited->entry.request = request;
    write_call_start(call, &audited->job, exchange, answer);
}
