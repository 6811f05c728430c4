/* node/kept_file.h - a small secret of a node in a file of its own: read, or made and written there at the first start.
 */
#ifndef WEFT_NODE_KEPT_FILE_H
#define WEFT_NODE_KEPT_FILE_H

#include "host/host.h"

#define WEFT_KEPT_PATH_SIZE 4096
#define WEFT_KEPT_TEXT_MAX  256 /* bytes of a file's text: longer ones are none of ours */

/* What is kept there. */
struct weft_kept_kind {
    const char *what;    /* for people: "owner token" */
    const char *useless; /* a sentence for when it holds no such thing: what to do */
    /* Makes a new one and takes it; returns the size of the file's text. */
    size_t (*make)(void *self, struct weft_host *host, char text[WEFT_KEPT_TEXT_MAX]);
    /* Takes one from a file's text: 0, or an error if it is none. */
    int (*take)(void *self, struct weft_slice text);
    void (*found)(void *self, int status, const char *problem); /* see weft_kept_find() */
};

/* Embedded. */
struct weft_kept_file {
    struct weft_host *host;
    const struct weft_kept_kind *kind;
    void *self; /* the kind's functions get it */
    bool awaited;
    bool there; /* making one has found that out */
    bool looks; /* none is made */
    size_t size;
    char path[WEFT_KEPT_PATH_SIZE];
    char text[WEFT_KEPT_TEXT_MAX]; /* only while it is being written to its file */
};

/* WEFT_ERR_TOO_LARGE if the file's path is longer than any. */
WEFT_MUST_USE int weft_kept_init(struct weft_kept_file *file, const struct weft_kept_kind *kind, void *self,
                                 struct weft_host *host, const char *folder, const char *name);
/* `found` is called once, perhaps at once: 0, or an error and a sentence that says why and what to do. */
void weft_kept_find(struct weft_kept_file *file);
/* As _find(), but makes none: then it is WEFT_ERR_NOT_FOUND, without a sentence. */
void weft_kept_look(struct weft_kept_file *file);
void weft_kept_forget(struct weft_kept_file *file); /* nobody wants it any more: `found` is not called */

#endif
