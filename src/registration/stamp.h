/* The stamp as such: its cloud id and deployment id (made once, kept in the settings), and the hardware facts of the
 * node that it runs on, as hashes (spec 6.4, 6.6). */
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/guid.h"
#include "registration/registration_token.h"
#include "store/store.h"

struct stamp {
    struct guid cloud_id, deployment_id;
};
/* Any snapshot. ERROR_NOT_FOUND before stamp_make. */
MUST_CHECK err_t stamp_get(struct kv_txn *txn, struct stamp *out);
/* A job that makes the ids if there are none; 'stamp' is what they are afterwards. Set it to what is wanted (the demo's
 * is fixed), zeros are drawn at random (NULL: both). */
struct stamp_make {
    struct store_job job; /* first member */
    struct stamp stamp;
};
void stamp_make_init(struct stamp_make *make, const struct stamp *wanted);

/* What can be read of this machine: name, machine id, cores, CPU model, BIOS, network cards, disks, memory; but for
 * name and cores as hashes, so that a token tells "the same" or "another" and no serial number. What cannot be read is
 * left out; a machine without uuid (or whose uuid only root may read) gets one from its machine id. May block for
 * milliseconds: not for the loop thread. 'root' is "" but in tests (a folder with proc/, sys/ and etc/ in it).
 * ERROR_NO_MEMORY. */
MUST_CHECK err_t stamp_hardware(struct arena *arena, const char *root, struct hardware_node *out);
