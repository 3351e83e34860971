/* See skip_token.h. */
#include "api/skip_token.h"

#include <string.h>

#include "base/check.h"

static err_t not_ours(struct error_info *info)
{
    return error_set(info, ERROR_INVALID_PROPERTY, "$skipToken",
                     "$skipToken is not one of this list; take it from nextLink as it is");
}

struct text skip_token_of_guid(const struct guid *id, char out[SKIP_TOKEN_SIZE_MAX])
{
    return (struct text){ out, base64url_encode(id->bytes, sizeof id->bytes, out) };
}

err_t skip_token_read_guid(struct text token, struct guid *out, struct error_info *info)
{
    size_t size;
    bool ours = base64url_decode(token, out->bytes, sizeof out->bytes, &size) && size == sizeof out->bytes;
    return ours ? ERROR_OK : not_ours(info);
}

/* Subscription, group, 0, name. */
struct text skip_token_of_registration(const struct registration_path *path, char out[SKIP_TOKEN_SIZE_MAX])
{
    struct text group = path->resource_group, name = path->name;
    uint8_t bytes[SKIP_TOKEN_BYTES_MAX];
    size_t size = sizeof path->subscription_id.bytes;
    REQUIRE(group.len <= REGISTRATION_NAME_SIZE_MAX && name.len <= REGISTRATION_NAME_SIZE_MAX);
    memcpy(bytes, path->subscription_id.bytes, size);
    memcpy(bytes + size, group.ptr, group.len);
    size += group.len;
    bytes[size++] = 0;
    memcpy(bytes + size, name.ptr, name.len);
    return (struct text){ out, base64url_encode(bytes, size + name.len, out) };
}

err_t skip_token_read_registration(struct arena *arena, struct text token, struct registration_path *out,
                                   struct error_info *info)
{
    uint8_t bytes[SKIP_TOKEN_BYTES_MAX];
    size_t size, id_size = sizeof out->subscription_id.bytes;
    if (!base64url_decode(token, bytes, sizeof bytes, &size) || size < id_size)
        return not_ours(info);
    memcpy(out->subscription_id.bytes, bytes, id_size);
    out->name = arena_text(arena, (struct text){ (const char *)bytes + id_size, size - id_size });
    if (out->name.ptr == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    bool ours = text_cut(&out->name, '\0', &out->resource_group) && registration_name_is_valid(out->resource_group) &&
                registration_name_is_valid(out->name);
    return ours ? ERROR_OK : not_ours(info);
}
