/* What the files of the registration resource share. Loop thread, but for what says otherwise. */
#pragma once

#include "api/arm_resource.h"

/* The resource as ARM shows it. Any thread while the exchange is unanswered. */
void put_registration(struct json_writer *json, struct http_exchange *exchange, const struct registration *r);

/* Its id as a member. Any thread that has the arena. */
void put_resource_id(struct json_writer *json, const char *name, struct arena *arena,
                     const struct registration_path *path);

/* "registrations/{subscription}/{group}/{name}" for the audit log. */
struct text registration_subject(struct http_exchange *exchange, const struct registration_path *path);
