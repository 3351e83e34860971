/* $skipToken of ARM lists: where the page before ended, in base64url: the bytes of an id, or a registration's path.
 * A position need not be there any more, and one that was made up leads nowhere but to another place of the same list,
 * so tokens are not signed. Pure, any thread. */
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/text.h"
#include "registration/registration.h"

#define SKIP_TOKEN_BYTES_MAX (sizeof(struct guid) + 2 * REGISTRATION_NAME_SIZE_MAX + 1)
#define SKIP_TOKEN_SIZE_MAX (BASE64URL_LEN(SKIP_TOKEN_BYTES_MAX) + 1)

/* Return the token, which lies in 'out'. */
struct text skip_token_of_guid(const struct guid *id, char out[SKIP_TOKEN_SIZE_MAX]);
/* Of a registration that is there: its names are valid. */
struct text skip_token_of_registration(const struct registration_path *path, char out[SKIP_TOKEN_SIZE_MAX]);
/* ERROR_INVALID_PROPERTY when no list can have given it. Names in the arena: ERROR_NO_MEMORY. */
MUST_CHECK err_t skip_token_read_guid(struct text token, struct guid *out, struct error_info *info);
MUST_CHECK err_t skip_token_read_registration(struct arena *arena, struct text token, struct registration_path *out,
                                              struct error_info *info);
