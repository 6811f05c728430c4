/* bench/bench.h - what the bench's two ends agree on: the clock and the look of an event. */
#ifndef WEFT_BENCH_BENCH_H
#define WEFT_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* An event is BENCH_EVENT_SIZE bytes: the sequence number and the send time at fixed places, padded, then "\n\n". */
#define BENCH_EVENT_SIZE     ((size_t)200)
#define BENCH_EVENT_FORMAT   "data: {\"seq\":%010u,\"ns\":%020llu,\"pad\":\""
#define BENCH_EVENT_SEQUENCE 13 /* where the digits begin */
#define BENCH_EVENT_NS       29

#define BENCH_SECOND_NS UINT64_C(1000000000)

/* CLOCK_MONOTONIC is one clock for all processes of a machine, so a send time may be compared at the other end. */
static inline uint64_t bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with a valid clock and pointer */
    return (uint64_t)now.tv_sec * BENCH_SECOND_NS + (uint64_t)now.tv_nsec;
}

_Noreturn static inline void bench_fail(const char *what)
{
    perror(what);
    exit(1);
}

#endif
