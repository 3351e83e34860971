/* The demo's commercial side, in the same store as its stamp: partners, commercial subscriptions, the stamp's
 * registration (active, approved for multitenancy), who pays for which tenant, and a second registration that waits for
 * approval. Written straight into the store at the first start, by the same jobs that the API uses; writing it again
 * changes nothing but etags. Blocks. */
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/demo_stamp.h"
#include "registration/stamp.h"
#include "store/store.h"

/* The ids of the demo's stamp. */
struct stamp demo_stamp_ids(void);

/* Everything but the activation. The registration and the mappings hold from before the history on; the payer of one
 * tenant changes half-way through it. */
MUST_CHECK err_t demo_commerce_make(struct store *store, struct arena *arena, const struct demo_stamp *stamp,
                                    struct error_info *info);
/* The stamp takes the activation key that the commercial side signs for it; url: where its usage is to go. */
MUST_CHECK err_t demo_commerce_activate(struct store *store, struct arena *arena, struct text url,
                                        struct error_info *info);
