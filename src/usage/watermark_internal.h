/* Layouts of the watermark tables, for watermarks.c and watermark_write.c only. */
#pragma once

#include "base/encode.h"
#include "store/keys.h"
#include "store/kv.h"
#include "usage/watermarks.h"

#define WATERMARK_KEY_SIZE 8                                             /* producer, source */
#define WATERMARK_VALUE_SIZE (4 + 8 * 4 + 2 * 8 + 4 * WATERMARK_SAMPLES) /* watermark_encode */
#define WATERMARK_HOUR_KEY_SIZE 12                                       /* producer, source, hour */
#define WATERMARK_HOUR_VALUE_SIZE 20                                     /* records, last reported, span */

static inline void watermark_key(uint32_t producer, uint32_t source, uint8_t out[WATERMARK_KEY_SIZE])
{
    put_u32be(out, producer);
    put_u32be(out + 4, source);
}

static inline void watermark_hour_key(uint32_t producer, uint32_t source, uint32_t hour,
                                      uint8_t out[WATERMARK_HOUR_KEY_SIZE])
{
    watermark_key(producer, source, out);
    put_u32be(out + 8, hour);
}

void watermark_encode(const struct watermark *watermark, uint8_t out[WATERMARK_VALUE_SIZE]);

/* When a silent producer's alert is due; see struct watermarks_watch. */
bool watermark_wants_alert(const struct watermark *watermark, int64_t now_ns, int64_t since_ns);
