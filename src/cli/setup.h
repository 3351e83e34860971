/* What a data directory holds besides usage, made where it is missing: the certificate, the operator's subscription
 * and the operator's first token. Each step can be cut short at any point and done again. Blocking: at start only,
 * apart from setup_certificate_load. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/config.h"
#include "base/error.h"
#include "base/guid.h"
#include "store/store.h"

struct setup_certificate {
    char file[PATH_MAX]; /* absolute: what clients may trust */
    struct buffer certificate_pem, key_pem;
};

/* Reads the configured files, or those of the data directory. ERROR_NOT_FOUND when there are none. */
MUST_CHECK err_t setup_certificate_load(const struct config *config, const char *data_dir,
                                        struct setup_certificate *out, struct error_info *info);
/* The same; makes a self-signed certificate in the data directory when none is configured and none is there. */
MUST_CHECK err_t setup_certificate(const struct config *config, const char *data_dir, struct setup_certificate *out,
                                   bool *made, struct error_info *info);
/* Wipes the key. */
void setup_certificate_free(struct setup_certificate *certificate);

/* 'fresh': the id for a store that has none yet. */
MUST_CHECK err_t setup_operator_subscription(struct store *store, const struct guid *fresh, struct guid *out,
                                             struct error_info *info);
/* Writes DIR/operator.token once in the life of a store, so that it does not come back after it was moved to a
 * safer place. *made tells whether it did. */
MUST_CHECK err_t setup_operator_token(struct store *store, const char *data_dir, bool *made, struct error_info *info);
/* DIR/name. ERROR_IO when it is too long. */
MUST_CHECK err_t setup_path(char out[PATH_MAX], const char *data_dir, const char *name, struct error_info *info);
/* Whether anybody can sign in to the console. */
MUST_CHECK err_t setup_has_users(struct store *store, bool *has_users, struct error_info *info);
