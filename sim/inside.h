/* sim/inside.h - what world.c and network.c share. */
#ifndef WEFT_SIM_INSIDE_H
#define WEFT_SIM_INSIDE_H

#include "base/clock.h"
#include "base/random.h"
#include "base/timers.h"
#include "sim/weather.h"
#include "sim/world.h"

#define WEFT_WORLD_PATH_MAX      256
#define WEFT_WORLD_ADDRESSES_MAX 4
#define WEFT_WORLD_SWALLOWS_MAX  4
#define WEFT_WORLD_SHARED_MAX    64
#define WEFT_WORLD_MARKS_MAX     32 /* of a pipe: then what is written last comes with what was written before */

struct weft_world_file {
    char path[WEFT_WORLD_PATH_MAX]; /* empty: no file */
    size_t size;
    char data[WEFT_WORLD_FILE_MAX];
};

struct weft_world_redemption {
    struct weft_store_key invite;
    struct weft_store_record record; /* by the node, which is its key */
};

struct weft_world_asked {
    struct weft_store_op op;
    weft_store_done *done;
    void *self;
};

struct weft_world_store {
    bool open, made;
    int read_status, write_status;
    weft_time slow;
    struct weft_timer timer; /* the first of the queue is done */
    size_t first, queued;
    struct weft_world_asked queue[WEFT_STORE_QUEUE_MAX]; /* a ring */
    uint64_t incarnation, sequence;
    size_t invite_count, redemption_count, record_counts[WEFT_STORE_TABLES];
    struct weft_store_invite invites[WEFT_WORLD_STORE_INVITES_MAX]; /* sorted by id, and records by key */
    struct weft_world_redemption redemptions[WEFT_WORLD_STORE_REDEMPTIONS_MAX];
    struct weft_store_record records[WEFT_STORE_TABLES][WEFT_WORLD_STORE_RECORDS_MAX];
};

struct weft_world_host {
    struct weft_host host;
    struct weft_world *world;
    const char *name;
    struct weft_guest guest;
    struct weft_clock clock; /* the guest's */
    weft_time deadline;      /* the guest's, by that clock */
    weft_time wakes;         /* until then it is kept from running */
    int64_t wall_shift;
    unsigned idle_turns; /* in a row, without an event or time moving on */
    bool poked;          /* its guest's turn is due */
    size_t sockets_max;
    unsigned dials_to_fail;
    size_t cores;
    bool deaf, spoils;
    int read_status, write_status;
    struct weft_world_file files[WEFT_WORLD_FILES_MAX];
    const struct weft_program *programs[WEFT_WORLD_PROGRAMS_MAX];
    size_t program_count;
    struct weft_world_store store;
    size_t log_used;
    char log[WEFT_WORLD_LOG_MAX + 1];
};

enum weft_end_state {
    WEFT_END_NONE,   /* not in use */
    WEFT_END_DIALS,  /* not yet connected */
    WEFT_END_WAITS,  /* connected, not yet accepted */
    WEFT_END_OPEN,   /* bytes flow */
    WEFT_END_FAILED, /* its user hears of it, or has heard, and will close */
    WEFT_END_CLOSED, /* by its user */
};

/* Bytes of a pipe that are still on their way. */
struct weft_world_mark {
    size_t size;  /* so many, behind those of the mark before */
    weft_time at; /* here they are */
};

/* One end of a link, and the pipe that leads to it. */
struct weft_socket {
    struct weft_world *world;
    struct weft_world_host *host;
    struct weft_world_link *link;
    const struct weft_socket_user *user;
    void *self;
    enum weft_end_state state;
    struct weft_timer arrival; /* bytes, or their end, reach it */
    struct weft_timer notice;  /* it is connected, may write again, or has failed */
    int status;                /* why it failed, once `notice` has come; 0 otherwise */
    bool reading;
    bool blocked;   /* it waits for `writable` */
    bool shut;      /* it will write no more */
    bool in_ended;  /* the peer will write no more ... */
    bool end_heard; /* ... and this end knows */
    size_t start, size, room;
    size_t mark_first, mark_count;
    struct weft_world_mark marks[WEFT_WORLD_MARKS_MAX]; /* of the last bytes: a ring. What is before them is here */
    weft_time end_at;                                   /* its end is here, if it has come */
    weft_time resend;                                   /* the last pause before something was sent again; 0: none */
    char bytes[WEFT_WORLD_PIPE_MAX];                    /* from the peer: a ring */
};

struct weft_world_link {
    struct weft_socket ends[2]; /* dialler, accepter */
    struct weft_address to;
    struct weft_world_link *next; /* in its listener's queue */
    unsigned number;              /* for the transcript */
    bool paired;                  /* of a socket pair: no network between its ends */
    bool lost;                    /* nothing arrives on it any more */
};

struct weft_listener {
    struct weft_world_host *host; /* NULL: not in use */
    struct weft_address address;
    const struct weft_listener_user *user;
    void *self;
    struct weft_timer arrival;
    struct weft_world_link *first, *last; /* connected, not yet accepted */
    bool accepting;
};

struct weft_world_name {
    const char *name;
    int status;
    struct weft_address addresses[WEFT_WORLD_ADDRESSES_MAX];
    size_t count;
};

enum weft_job_kind { WEFT_JOB_NONE, WEFT_JOB_RESOLVE, WEFT_JOB_READ, WEFT_JOB_WRITE, WEFT_JOB_HASH };

struct weft_job {
    enum weft_job_kind kind;
    struct weft_world_host *host;
    struct weft_timer timer;
    union {
        void (*resolved)(void *self, int status, const struct weft_address *addresses, size_t count);
        void (*read)(void *self, int status, struct weft_slice content);
        void (*written)(void *self, int status);
        void (*hashed)(void *self, int status, const uint8_t hash[WEFT_HOST_HASH_SIZE]); /* NULL: forgotten */
    } done;
    void *self;
    char path[WEFT_WORLD_PATH_MAX]; /* or name */
    uint16_t port;
    bool exclusive;
    size_t size; /* of data, or at most to be read */
    char data[WEFT_WORLD_FILE_MAX];
};

/* A child, from its start until its parent has heard of its end. */
struct weft_process {
    struct weft_world_host *host; /* the parent's; NULL: not in use */
    const struct weft_program *program;
    const struct weft_process_user *user; /* NULL: disowned */
    void *self;
    int64_t id;
    struct weft_timer notice; /* its parent hears of its end */
    int code, signal;
    bool ended;
    bool shares; /* what follows, with its parent */
    _Alignas(max_align_t) unsigned char shared[WEFT_WORLD_SHARED_MAX];
};

/* From one host to another. */
struct weft_world_path {
    struct weft_weather weather;
    bool cut;
};

struct weft_world {
    struct weft_random random;
    struct weft_timers timers;
    weft_time now;
    bool calm;
    struct weft_transcript *transcript;
    struct weft_timeline *timeline;
    unsigned link_count;    /* ever made */
    unsigned process_count; /* ever started */
    uint16_t next_port;
    size_t host_count, name_count, swallow_count;
    struct weft_world_host hosts[WEFT_WORLD_HOSTS_MAX];
    struct weft_world_path paths[WEFT_WORLD_HOSTS_MAX][WEFT_WORLD_HOSTS_MAX];
    struct weft_listener listeners[WEFT_WORLD_LISTENERS_MAX];
    struct weft_world_name names[WEFT_WORLD_NAMES_MAX];
    struct weft_address swallows[WEFT_WORLD_SWALLOWS_MAX];
    struct weft_job jobs[WEFT_WORLD_JOBS_MAX];
    struct weft_process processes[WEFT_WORLD_PROCESSES_MAX];
    struct weft_store_result store_result; /* during a callback */
    struct weft_world_link links[WEFT_WORLD_LINKS_MAX];
};

struct weft_world_host *weft_world_host_of(struct weft_host *host);
/* Into the picture; `lane` and `other` may be NULL. */
void weft_world_draw(struct weft_world *world, enum weft_mark_kind kind, const struct weft_world_host *lane,
                     const struct weft_world_host *other, int64_t number, struct weft_slice text);
void weft_world_after(struct weft_world *world, struct weft_timer *timer); /* sets it, after a delay of the seed's */
/* Before every callback to a guest, which gets a turn first to learn the time, as in sys. What the callback is for may
 * be gone after it. */
void weft_world_deliver(struct weft_world_host *host);
/* Is this host's guest kept from running? Then what would tell it something waits until it is not. */
bool weft_world_waits(const struct weft_world_host *host, struct weft_timer *timer);

/* network.c */
void weft_network_init(struct weft_world *world);
int weft_network_listen(struct weft_host *host, const struct weft_address *address,
                        const struct weft_listener_user *user, void *self, struct weft_listener **out,
                        struct weft_address *bound);
void weft_network_accept(struct weft_listener *listener, bool on);
void weft_network_unlisten(struct weft_listener *listener);
void weft_network_attach(struct weft_socket *socket, const struct weft_socket_user *user, void *self);
void weft_network_read(struct weft_socket *socket, bool on);
int64_t weft_network_write(struct weft_socket *socket, const struct weft_slice *views, size_t count);
void weft_network_close(struct weft_socket *socket, bool reset);
int weft_network_dial(struct weft_host *host, const struct weft_address *address, const struct weft_socket_user *user,
                      void *self, struct weft_socket **out);
/* Two ends that are connected from the beginning; neither is attached. WEFT_ERR_FULL if there is no link left. */
int weft_network_pair(struct weft_world_host *one, struct weft_world_host *other, struct weft_socket *ends[2]);
void weft_network_drop(struct weft_world_link *link, bool silent);

/* pipe.c: of the pipe that leads to an end */
struct weft_socket *weft_pipe_writer(struct weft_socket *socket); /* the other end */
size_t weft_pipe_put(struct weft_socket *to, const char *data, size_t size);
void weft_pipe_mark(struct weft_socket *socket, size_t size); /* what was put is on its way from now on */
size_t weft_pipe_arrived(struct weft_socket *socket);         /* bytes that are here */
void weft_pipe_take(struct weft_socket *from, char *data, size_t size);
void weft_pipe_empty(struct weft_socket *socket);
void weft_pipe_end(struct weft_socket *socket);    /* the writer will write no more */
void weft_pipe_expect(struct weft_socket *socket); /* it gets the next bytes, or their end, when they are here */
void weft_pipe_tell(struct weft_socket *socket);   /* it hears what the other end did, when that can be known */
/* Nothing comes from the writer now, and `timer` is set to try again. */
bool weft_pipe_held_up(struct weft_socket *socket, struct weft_timer *timer);

/* weather.c */
bool weft_weather_is_cut(const struct weft_world_host *from, const struct weft_world_host *to);
weft_time weft_weather_delay(const struct weft_world_host *from, const struct weft_world_host *to);
weft_time weft_weather_resend(weft_time *last); /* how long until it is tried again */

/* store.c */
void weft_world_store_init(struct weft_world_host *host);
int weft_world_store(struct weft_host *host, const struct weft_store_op *op, weft_store_done *done, void *self);

/* process.c */
void weft_processes_init(struct weft_world *world);
int weft_processes_spawn(struct weft_host *host, const struct weft_spawn *spawn, const struct weft_process_user *user,
                         void *self, struct weft_process **out, struct weft_socket **socket);
void weft_processes_kill(struct weft_process *process, bool now);
void weft_processes_disown(struct weft_process *process);
int64_t weft_processes_id(const struct weft_process *process);
void *weft_processes_shared(const struct weft_process *process);

#endif
