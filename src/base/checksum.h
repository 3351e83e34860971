/* A 64-bit checksum against damage on disk: flipped bits, torn and misplaced sectors. Not keyed and no proof against
 * whoever writes the file on purpose (the journal's hash chain is). Its values lie in files, so the function never
 * changes. Pure, any thread.
 *
 * Every step is a bijection of the state for a given word of input and of the word for a given state. So a change
 * within one aligned word of eight bytes is noticed for certain, whatever the rest holds, and any other change but for
 * one in 2^64. A CRC of 64 bits is certain of bursts up to 64 bits and some scattered flips, too, but needs tables or
 * instructions that not every target has; this runs at memory speed in plain C. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* 'seed' is part of what is summed up; chain calls through it: checksum64(checksum64(0, a), b) tells (a, b) from every
 * other split, because each call takes in the size. */
uint64_t checksum64(uint64_t seed, const void *bytes, size_t size);
