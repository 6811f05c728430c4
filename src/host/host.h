/* host/host.h - the one port through which a node asks its surroundings for anything.
 *
 * `sys` implements it with libuv, `store` its store with SQLite, `sim` all with fakes; nothing else may. Operations
 * either happen at once or complete later by a callback; callbacks come only from the host's loop, never from inside an
 * operation. After each batch of callbacks the host runs the node's turn (see struct weft_guest), and sleeps no longer
 * than the deadline that it returns. */
#ifndef WEFT_HOST_HOST_H
#define WEFT_HOST_HOST_H

#include "base/types.h"
#include "host/store.h"

#define WEFT_HOST_HASH_SIZE 32 /* SHA-256 */

enum weft_address_kind { WEFT_ADDRESS_TCP, WEFT_ADDRESS_UNIX };

#define WEFT_ADDRESS_TEXT_MAX 108 /* what a Unix socket path may be, its NUL included */

struct weft_address {
    enum weft_address_kind kind;
    char text[WEFT_ADDRESS_TEXT_MAX]; /* numeric IPv4 or IPv6 address without brackets, or a path */
    uint16_t port;                    /* 0 asks for any free one */
};

struct weft_socket;   /* the host's */
struct weft_listener; /* the host's */

/* What a node hears about a socket. After _ended or its own close it hears nothing more. */
struct weft_socket_user {
    void (*opened)(void *self, int status); /* a dial is through: 0, or why not (then it has ended) */
    void (*received)(void *self, const char *data, size_t size); /* valid during the call */
    void (*writable)(void *self);                                /* after a write that took less than it was given */
    void (*ended)(void *self, int status); /* 0: the peer sends no more (writing may go on); else an error */
};

/* What a node hears about a listener. The socket is the node's from then on, and reads nothing before _attach. */
struct weft_listener_user {
    void (*accepted)(void *self, struct weft_socket *socket);
};

struct weft_process; /* the host's */

/* A child process: its environment and working folder are ours, its input and outputs are nowhere, its core dumps are
 * off, and it ends with us. Descriptor 3 is its end of a socket pair. */
struct weft_spawn {
    const char *program;     /* a path */
    const char *const *argv; /* NULL at the end; argv[0] is the name it goes by */
    int nice;                /* added to our own niceness; 0: as we are */
    size_t shared;           /* bytes of memory that it shares with us, by its descriptor 4; 0: none */
};

/* What a node hears about a child. The socket ends on its own, before or after. */
struct weft_process_user {
    void (*exited)(void *self, int code, int signal); /* signal 0: it ended by itself with `code`. The last call */
};

enum weft_log_level { WEFT_LOG_DEBUG, WEFT_LOG_INFO, WEFT_LOG_WARN, WEFT_LOG_ERROR };

struct weft_host;

struct weft_host_ops {
    /* -- at once -- */
    /* Monotonic, for whoever measures, from any thread; turn->now is enough for nearly everyone. It runs on while this
     * process is kept from running, and a guest's does not. */
    weft_time (*now)(struct weft_host *host);
    int64_t (*wall)(struct weft_host *host); /* microseconds since 1970, UTC; may jump */
    void (*entropy)(struct weft_host *host, void *buffer,
                    size_t size); /* cannot fail: the host ends the process instead */
    void (*log)(struct weft_host *host, enum weft_log_level level,
                struct weft_slice line); /* one line without its newline */

    /* Binds and listens, or says why not. `bound` (may be NULL) gets the address with the port that was chosen. A Unix
     * socket is made with mode 0600; a dead one in its place is removed, a live one is WEFT_ERR_BUSY. */
    int (*listen)(struct weft_host *host, const struct weft_address *address, const struct weft_listener_user *user,
                  void *self, struct weft_listener **out, struct weft_address *bound);
    /* No more are accepted; those waiting stay with the kernel. On again with true. */
    void (*accept)(struct weft_listener *listener, bool on);
    void (*unlisten)(struct weft_listener *listener);
    /* How many sockets this process may hold, after raising its limit as far as it may. */
    size_t (*sockets_max)(struct weft_host *host);

    void (*attach)(struct weft_socket *socket, const struct weft_socket_user *user, void *self);
    void (*read)(struct weft_socket *socket, bool on); /* off at first */
    /* Takes as much as fits now and returns how much (0 is an answer); less than all arms `writable`. An error also
     * comes as `ended`; a reset may come so alone, behind what the peer had said before it, while that is being read.
     */
    int64_t (*write)(struct weft_socket *socket, const struct weft_slice *views, size_t count);
    /* Sends what was taken, then closes. `reset` throws it away and says so to the peer. */
    void (*close)(struct weft_socket *socket, bool reset);

    /* Starts a child with our end of its socket pair in *socket (not attached yet). On error both are NULL:
     * WEFT_ERR_NOT_FOUND if there is no such program, WEFT_ERR_DENIED if it may not be run. */
    int (*spawn)(struct weft_host *host, const struct weft_spawn *spawn, const struct weft_process_user *user,
                 void *self, struct weft_process **process, struct weft_socket **socket);
    /* Asks it to end, or with `now` ends it (nothing can refuse that); `exited` still comes. */
    void (*kill)(struct weft_process *process, bool now);
    /* Ends it now and forgets it: `exited` will not come. */
    void (*disown)(struct weft_process *process);
    /* The memory that it shares with us, zeros at its start, NULL if none was asked for. Holds until `exited` has
     * returned, or it is disowned: what the child wrote before its end is there, whatever ended it. */
    void *(*shared)(const struct weft_process *process);
    int64_t (*process_id)(const struct weft_process *process); /* for people: logs and status */
    /* The machine: cores that may be used. */
    size_t (*cores)(struct weft_host *host);

    /* -- complete later -- */
    /* The socket is there at once, `opened` comes later. */
    int (*dial)(struct weft_host *host, const struct weft_address *address, const struct weft_socket_user *user,
                void *self, struct weft_socket **out);
    /* `done` gets up to `max` addresses, or an error. A name that is an address is no question, and is answered too. */
    int (*resolve)(struct weft_host *host, const char *name, uint16_t port,
                   void (*done)(void *self, int status, const struct weft_address *addresses, size_t count),
                   void *self);
    /* Whole small files, such as keys: at most `max` bytes. The write makes the file (mode 0600) or replaces it as one
     * step, with its folder (0700), and is durable when done. The read refuses what is no file (WEFT_ERR_INVALID).
     * `exclusive` fails with WEFT_ERR_EXISTS instead of replacing. */
    int (*read_file)(struct weft_host *host, const char *path, size_t max,
                     void (*done)(void *self, int status, struct weft_slice content), void *self);
    int (*write_file)(struct weft_host *host, const char *path, struct weft_slice content, bool exclusive,
                      void (*done)(void *self, int status), void *self);
    /* Whole large files, such as models: their SHA-256. One that has not been touched since it was read last is not
     * read again. WEFT_ERR_INVALID for what is no file, WEFT_ERR_BUSY if it was changed meanwhile, WEFT_ERR_UNSUPPORTED
     * where nobody can do it. */
    int (*hash_file)(struct weft_host *host, const char *path,
                     void (*done)(void *self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE]), void *self);
    /* No `done` of this `self` comes any more. */
    void (*forget_hashes)(struct weft_host *host, const void *self);
    /* What is kept for good: see host/store.h. WEFT_ERR_FULL when too many operations are not done yet,
     * WEFT_ERR_UNSUPPORTED where there is no store. */
    int (*store)(struct weft_host *host, const struct weft_store_op *op, weft_store_done *done, void *self);
};

/* The first member of every host. */
struct weft_host {
    const struct weft_host_ops *ops;
};

/* What a host runs. */
struct weft_guest {
    void *self;
    /* Does what is due at `now` and returns when it wants to be called again at the latest. This time begins as the
     * host's `now` and goes as it does, but for what the guest was kept from running: see base/clock.h. */
    weft_time (*turn)(void *self, weft_time now);
};

#endif
