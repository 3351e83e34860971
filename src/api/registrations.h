/* What the files of the registration resource share. Loop thread, but for what says otherwise. */
#pragma once

#include "api/arm_resource.h"

/* The resource as ARM shows it. Any thread while the exchange is unanswered. */
void put_registration(struct json_writer *json, struct http_exchange *exchange, const struct registration *r);

/* Its id as a member. Any thread that has the arena. */
void put_resource_id(struct json_writer *json, const char *name, struct arena *arena,
                     const struct registration_path *path);

/* Pages of registrations: where the page before ended. *given tells whether there was one. Answers InvalidProperty and
 * returns false when it is no position of ours. */
bool require_registration_position(struct http_exchange *exchange, struct registration_path *after, bool *given);
/* The member nextLink. Any thread. */
void put_registration_next_link(struct json_writer *json, struct http_exchange *exchange,
                                const struct registration *last);

/* "registrations/{subscription}/{group}/{name}" for the audit log. */
struct text registration_subject(struct http_exchange *exchange, const struct registration_path *path);
