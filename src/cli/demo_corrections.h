/* The corrections of the demo's simulated stamp: now and then Compute finds out that a machine was counted wrong. Like
 * everything of demo_stamp.h a function of (stamp, hour), so any hour can be produced again. */
#pragma once

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "cli/demo_stamp.h"

/* Compute corrects in one hour of so many, in the demo's first hour several records. */
#define DEMO_CORRECTED_HOURS 6
#define DEMO_CORRECTIONS_AT_START 4

/* The body of POST /v1/corrections that Compute sends in posting_hour, with its regular usage: an array about records
 * of the hour before, which the server has by then. Left empty in most hours. ERROR_NO_MEMORY. */
MUST_CHECK err_t demo_corrections_of(const struct demo_stamp *stamp, int64_t posting_hour, struct buffer *body);
