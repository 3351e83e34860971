/* The tree is read from the subscriptions' periods. Delegated providers are few and tenants many, so those that were
 * ever named as providers have a mark of their own in the settings: whether a subscription is a provider takes one
 * look-up, and only changes of providers look at all subscriptions. A store whose subscriptions were described before
 * marks were kept gets them with the first change; until then everything is looked at. */
#include "usage/provider_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/instant.h"
#include "store/dictionary.h"
#include "store/store.h"
#include "usage/subscriptions_internal.h"

/* Named in a refusal; there may be thousands. */
#define TENANTS_NAMED_MAX 5

static const struct text marks_complete_key = { "providers_marked", 16 };
#define MARK_PREFIX "provider:"
#define MARK_KEY_SIZE (sizeof MARK_PREFIX - 1 + sizeof(struct guid))

bool provider_is(const struct subscription_period *period, const struct guid *provider, const struct guid *operator_id)
{
    if (guid_is_zero(&period->provider_subscription_id))
        return guid_equal(provider, operator_id);
    return guid_equal(&period->provider_subscription_id, provider);
}

static int64_t end_of(const struct subscription_periods *periods, size_t i)
{
    return i + 1 < periods->count ? periods->items[i + 1].start_ns : INT64_MAX;
}

/* --- marks --- */

static struct text mark_key(const struct guid *id, char out[MARK_KEY_SIZE])
{
    memcpy(out, MARK_PREFIX, sizeof MARK_PREFIX - 1);
    memcpy(out + sizeof MARK_PREFIX - 1, id->bytes, sizeof id->bytes);
    return (struct text){ out, MARK_KEY_SIZE };
}

static err_t has_setting(struct kv_txn *txn, struct text key, bool *has)
{
    struct text value;
    err_t error = kv_get(txn, KV_SETTINGS, key, &value);
    *has = error == ERROR_OK;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

struct naming {
    const struct guid *id;
    bool named;
};

static err_t look_for_name(void *context, const struct guid *id, const struct subscription_periods *periods, bool *stop)
{
    struct naming *naming = context;
    (void)id;
    for (size_t i = 0; i < periods->count && !naming->named; i++)
        naming->named = guid_equal(&periods->items[i].provider_subscription_id, naming->id);
    *stop = naming->named;
    return ERROR_OK;
}

err_t provider_is_named(struct kv_txn *txn, struct arena *arena, const struct guid *id, bool *named)
{
    char key[MARK_KEY_SIZE];
    bool complete;
    err_t error = has_setting(txn, mark_key(id, key), named);
    if (error != ERROR_OK || *named)
        return error;
    error = has_setting(txn, marks_complete_key, &complete);
    if (error != ERROR_OK || complete)
        return error;
    struct naming naming = { .id = id };
    error = subscription_each(txn, arena, look_for_name, &naming);
    *named = naming.named;
    return error;
}

static err_t put_mark(struct kv_txn *txn, const struct guid *id)
{
    char key[MARK_KEY_SIZE];
    return kv_put(txn, KV_SETTINGS, mark_key(id, key), TEXT("1"));
}

static err_t mark_providers(void *context, const struct guid *id, const struct subscription_periods *periods,
                            bool *stop)
{
    (void)id;
    (void)stop;
    err_t error = ERROR_OK;
    for (size_t i = 0; i < periods->count && error == ERROR_OK; i++)
        if (!guid_is_zero(&periods->items[i].provider_subscription_id))
            error = put_mark(context, &periods->items[i].provider_subscription_id);
    return error;
}

err_t provider_name(struct kv_txn *txn, struct arena *arena, const struct guid *provider)
{
    bool complete;
    err_t error = has_setting(txn, marks_complete_key, &complete);
    if (error == ERROR_OK && !complete) {
        error = subscription_each(txn, arena, mark_providers, txn);
        if (error == ERROR_OK)
            error = kv_put(txn, KV_SETTINGS, marks_complete_key, TEXT("1"));
    }
    return error == ERROR_OK && !guid_is_zero(provider) ? put_mark(txn, provider) : error;
}

/* --- what one provider may see --- */

err_t provider_view_init(struct provider_view *view, const struct guid *provider, const struct guid *operator_id)
{
    *view = (struct provider_view){ .provider = *provider, .operator_id = *operator_id, .arena = arena_new(4096, 0) };
    return view->arena != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

void provider_view_free(struct provider_view *view)
{
    arena_free(view->arena);
    view->arena = NULL;
}

static err_t read_periods(struct provider_view *view, struct kv_txn *txn, const struct guid *subscription)
{
    if (view->has_periods && guid_equal(&view->subscription, subscription))
        return ERROR_OK;
    arena_reset(view->arena);
    view->subscription = *subscription;
    err_t error = subscription_periods(txn, view->arena, subscription, INT64_MAX, &view->periods);
    view->has_periods = error == ERROR_OK;
    return error;
}

err_t provider_view_span(struct provider_view *view, struct kv_txn *txn, const struct guid *subscription,
                         int64_t time_ns, int64_t *from_ns, int64_t *to_ns)
{
    *from_ns = *to_ns = INT64_MAX;
    err_t error = read_periods(view, txn, subscription);
    if (error != ERROR_OK)
        return error;
    const struct subscription_periods *periods = &view->periods;
    size_t i = (size_t)(subscription_period_at(periods, time_ns) - periods->items);
    while (i < periods->count && !provider_is(&periods->items[i], &view->provider, &view->operator_id))
        i++;
    if (i == periods->count)
        return ERROR_OK;
    *from_ns = periods->items[i].start_ns > time_ns ? periods->items[i].start_ns : time_ns;
    while (i + 1 < periods->count && provider_is(&periods->items[i + 1], &view->provider, &view->operator_id))
        i++;
    *to_ns = end_of(periods, i);
    return ERROR_OK;
}

struct members {
    const struct provider_view *view;
    struct store *store;
    struct kv_txn *txn;
    uint32_t *ids;
    size_t count, capacity;
    struct arena *arena;
};

static err_t add_member(struct members *m, uint32_t id)
{
    uint32_t *ids = arena_grow(m->arena, m->ids, m->count, &m->capacity, sizeof *ids);
    if (ids == NULL)
        return ERROR_NO_MEMORY;
    m->ids = ids;
    m->ids[m->count++] = id;
    return ERROR_OK;
}

static err_t find_member(void *context, const struct guid *id, const struct subscription_periods *periods, bool *stop)
{
    struct members *m = context;
    uint32_t number;
    bool mine = false;
    (void)stop;
    for (size_t i = 0; i < periods->count && !mine; i++)
        mine = provider_is(&periods->items[i], &m->view->provider, &m->view->operator_id);
    if (!mine)
        return ERROR_OK;
    err_t error = dictionary_find(store_dictionary(m->store), m->txn, DICTIONARY_SUBSCRIPTION, guid_bytes(id), &number);
    if (error != ERROR_OK) /* without usage there is nothing to list */
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    return add_member(m, number);
}

static int compare_ids(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

err_t provider_view_members(struct provider_view *view, struct store *store, struct kv_txn *txn, struct arena *arena,
                            uint32_t **out, size_t *count)
{
    struct members members = { .view = view, .store = store, .txn = txn, .arena = arena };
    *out = NULL;
    *count = 0;
    if (guid_equal(&view->provider, &view->operator_id))
        return ERROR_OK;
    err_t error = add_member(&members, 0); /* so that nobody's list is not NULL */
    members.count = 0;
    if (error == ERROR_OK) {
        view->has_periods = false; /* its arena is the scratch */
        error = subscription_each(txn, view->arena, find_member, &members);
    }
    qsort(members.ids, members.count, sizeof *members.ids, compare_ids);
    *out = members.ids;
    *count = members.count;
    return error;
}

/* --- the chain of providers above --- */

struct chain {
    struct kv_txn *txn;
    struct arena *arena;
    const struct guid *id, *operator_id;
    int64_t in_use_to_ns;
    struct error_info *info;
    size_t depth_max; /* for 'id', so that what it sold itself stays within the bound, too */
    size_t steps;
    struct guid above[PROVIDER_DEPTH_MAX + 1]; /* providers, nearest first */
    size_t count;
};

static err_t refuse(struct chain *chain, const char *reason)
{
    struct buffer text = { 0 };
    char id[GUID_TEXT_SIZE];
    guid_print(chain->id, id);
    buffer_append_text(&text, text_of(id));
    for (size_t i = 0; i < chain->count; i++) {
        guid_print(&chain->above[i], id);
        buffer_append_format(&text, " -> %s", id);
    }
    err_t error = text.failed ? ERROR_NO_MEMORY
                              : error_set(chain->info, ERROR_INVALID_PROPERTY, "providerSubscriptionId", "%s: %.*s",
                                          reason, TEXT_ARGS(buffer_text(&text)));
    buffer_free(&text);
    return error;
}

static bool is_operator(const struct chain *chain, const struct guid *provider)
{
    return guid_is_zero(provider) || guid_equal(provider, chain->operator_id);
}

static err_t check_state(struct chain *chain, const struct guid *provider, enum subscription_state state, int64_t at_ns)
{
    char id[GUID_TEXT_SIZE], time[INSTANT_TEXT_SIZE] = "the beginning";
    if (state == SUBSCRIPTION_ENABLED)
        return ERROR_OK;
    guid_print(provider, id);
    if (at_ns != INT64_MIN)
        instant_print(at_ns, time);
    return error_set(chain->info, ERROR_INVALID_PROPERTY, "providerSubscriptionId",
                     state == SUBSCRIPTION_DELETED
                         ? "the provider's subscription %s is deleted as of %s"
                         : "the provider's subscription %s is not described as of %s; describe it first",
                     id, time);
}

/* The chain as of one time; *next_ns becomes the next time at which it is another one, if that is earlier. */
static err_t walk_up(struct chain *chain, const struct guid *provider, int64_t at_ns, int64_t *next_ns)
{
    struct guid one = *provider;
    chain->count = 0;
    while (!is_operator(chain, &one)) {
        struct subscription_periods periods;
        bool over = chain->count == PROVIDER_DEPTH_MAX;
        if (!over)
            chain->above[chain->count++] = one;
        if (guid_equal(&one, chain->id))
            return refuse(chain, "a subscription cannot be sold by one that it sold itself");
        if (over || chain->count > chain->depth_max)
            return refuse(chain, "too many delegated providers above one another");
        if (++chain->steps > PROVIDER_WALK_STEPS_MAX)
            return error_set(chain->info, ERROR_CONFLICT, NULL, "the providers above changed too often to check this");
        err_t error = subscription_periods(chain->txn, chain->arena, &one, INT64_MAX, &periods);
        if (error != ERROR_OK)
            return error;
        const struct subscription_period *period = subscription_period_at(&periods, at_ns);
        int64_t end_ns = end_of(&periods, (size_t)(period - periods.items));
        if (end_ns < *next_ns)
            *next_ns = end_ns;
        if (chain->count == 1 && at_ns < chain->in_use_to_ns &&
            (error = check_state(chain, &one, period->state, at_ns)) != ERROR_OK)
            return error;
        one = period->provider_subscription_id;
    }
    return ERROR_OK;
}

/* --- the tenants below --- */

struct below {
    int64_t from_ns;
    const struct guid *providers; /* ascending */
    size_t provider_count;
    bool in_use_only;
    struct arena *arena; /* not the scanner's */
    struct guid *found;  /* ascending, as the scan is */
    size_t count, capacity;
};

static int compare_guids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct guid));
}

static err_t add_below(struct below *below, const struct guid *id)
{
    struct guid *found = arena_grow(below->arena, below->found, below->count, &below->capacity, sizeof *found);
    if (found == NULL)
        return ERROR_NO_MEMORY;
    below->found = found;
    below->found[below->count++] = *id;
    return ERROR_OK;
}

static err_t find_below(void *context, const struct guid *id, const struct subscription_periods *periods, bool *stop)
{
    struct below *below = context;
    (void)stop;
    for (size_t i = 0; i < periods->count; i++) {
        const struct subscription_period *period = &periods->items[i];
        if (end_of(periods, i) <= below->from_ns || (below->in_use_only && period->state != SUBSCRIPTION_ENABLED))
            continue;
        if (bsearch(&period->provider_subscription_id, below->providers, below->provider_count,
                    sizeof *below->providers, compare_guids) != NULL)
            return add_below(below, id);
    }
    return ERROR_OK;
}

/* The tenants of any of those providers, at from_ns or later. */
static err_t scan_below(struct kv_txn *txn, struct arena *arena, struct below *below)
{
    struct arena *scratch = arena_new(4096, 0);
    if (scratch == NULL)
        return ERROR_NO_MEMORY;
    below->arena = arena;
    err_t error = subscription_each(txn, scratch, find_below, below);
    arena_free(scratch);
    return error;
}

/* How many levels lie below it, at most 'max'. */
static err_t levels_below(struct kv_txn *txn, struct arena *arena, const struct guid *id, int64_t from_ns, size_t max,
                          size_t *levels)
{
    bool named;
    struct below below = { .from_ns = from_ns, .providers = id, .provider_count = 1 };
    *levels = 0;
    err_t error = provider_is_named(txn, arena, id, &named);
    while (error == ERROR_OK && named && *levels < max) {
        error = scan_below(txn, arena, &below);
        if (error != ERROR_OK || below.count == 0)
            break;
        ++*levels;
        below = (struct below){ .from_ns = from_ns, .providers = below.found, .provider_count = below.count };
    }
    return error;
}

err_t provider_check(struct kv_txn *txn, struct arena *arena, const struct guid *id, const struct guid *provider,
                     const struct guid *operator_id, int64_t from_ns, int64_t in_use_to_ns, bool is_new,
                     struct error_info *info)
{
    struct chain chain = {
        .txn = txn, .arena = arena, .id = id, .operator_id = operator_id, .in_use_to_ns = in_use_to_ns, .info = info
    };
    size_t levels = 0;
    if (is_operator(&chain, provider))
        return ERROR_OK;
    if (guid_equal(id, operator_id))
        return error_set(info, ERROR_INVALID_PROPERTY, "providerSubscriptionId",
                         "the operator's own subscription has no provider");
    /* One that is new sold nothing yet. */
    err_t error = is_new ? ERROR_OK : levels_below(txn, arena, id, from_ns, PROVIDER_DEPTH_MAX, &levels);
    chain.depth_max = PROVIDER_DEPTH_MAX - levels;
    while (error == ERROR_OK && from_ns != INT64_MAX) {
        struct arena_mark mark = arena_mark(arena);
        int64_t next_ns = INT64_MAX;
        error = walk_up(&chain, provider, from_ns, &next_ns);
        arena_rewind(arena, mark);
        from_ns = next_ns;
    }
    return error;
}

err_t provider_check_unused(struct kv_txn *txn, struct arena *arena, const struct guid *provider, int64_t from_ns,
                            struct error_info *info)
{
    bool named;
    struct below below = { .from_ns = from_ns, .providers = provider, .provider_count = 1, .in_use_only = true };
    err_t error = provider_is_named(txn, arena, provider, &named);
    if (error == ERROR_OK && named)
        error = scan_below(txn, arena, &below);
    if (error != ERROR_OK || below.count == 0)
        return error;
    struct buffer text = { 0 };
    for (size_t i = 0; i < below.count && i < TENANTS_NAMED_MAX; i++) {
        char id[GUID_TEXT_SIZE];
        guid_print(&below.found[i], id);
        buffer_append_format(&text, "%s%s", i > 0 ? ", " : "", id);
    }
    if (below.count > TENANTS_NAMED_MAX)
        buffer_append_format(&text, " and %zu more", below.count - TENANTS_NAMED_MAX);
    error = text.failed ? ERROR_NO_MEMORY
                        : error_set(info, ERROR_CONFLICT, NULL,
                                    "it is the provider of subscriptions that are in use; move or delete them first: "
                                    "%.*s",
                                    TEXT_ARGS(buffer_text(&text)));
    buffer_free(&text);
    return error;
}
