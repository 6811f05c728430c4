/* store/hashes.h - host's hashes of large files: each is read once, on a thread of its own, and its hash kept.
 *
 * What is kept is a text of one line for each file: by size, number and times a file is known to be as it was. Where it
 * cannot be read or written, files are read again: nothing depends on it. */
#ifndef WEFT_STORE_HASHES_H
#define WEFT_STORE_HASHES_H

#include "sys/sys.h"

#define WEFT_HASHES_KEPT_MAX 256 /* files; beyond, the oldest is forgotten */
#define WEFT_HASHES_FILE     "model-hashes"

struct weft_hashes;

/* Gives the host of `sys` its hashes; they are kept in `folder`. Nothing is read and no thread started before somebody
 * asks for one. WEFT_ERR_TOO_LARGE for a folder with too long a name. On error *out is NULL. */
WEFT_MUST_USE int weft_hashes_new(struct weft_hashes **out, struct weft_sys *sys, const char *folder);
/* After weft_sys_free(); if that said false, these stay as well. NULL is fine. */
void weft_hashes_free(struct weft_hashes *hashes);

#endif
