/* sim/member.h - one whole node of a simulated mesh, and its owner, who asks it things and never gives up.
 *
 * The owner sits at the same machine: what is between him and the node is no network. He asks one thing at a time. */
#ifndef WEFT_SIM_MEMBER_H
#define WEFT_SIM_MEMBER_H

#include "sim/answers.h"
#include "sim/raw.h"
#include "sim/resident.h"
#include "sim/scenario.h"
#include "wire/invite.h"
#include "wire/json.h"
#include "wire/key.h"

#define WEFT_MEMBER_TEXT_MAX 16384
#define WEFT_MEMBER_CODE_MAX 32

/* What came of trying to join. */
enum weft_member_standing {
    WEFT_MEMBER_OUTSIDE, /* its owner has not tried, or tries on */
    WEFT_MEMBER_TOLD_IN, /* he was told that it is in */
    WEFT_MEMBER_REFUSED, /* he was told why not, and that trying on is no use */
};

struct weft_member {
    struct weft_story *story;
    struct weft_host *host, *people;
    const char *name;
    bool gateway; /* it has a listener of the mesh */
    char yaml[256], api[32], address[32];
    const char *const *models; /* it serves */
    size_t model_count;
    struct weft_resident node;
    bool up;
    weft_time back_at; /* it is down: then it is started */
    int64_t clock_off; /* of its wall clock, microseconds */
    unsigned crashes;

    /* Its owner. */
    struct weft_raw raw;
    bool asks, joins; /* `joins`: that is what he asks */
    weft_time asked_at, again_at;
    int status; /* of the last answer; 0: none came */
    char text[WEFT_MEMBER_TEXT_MAX];

    /* Joining. */
    char line[WEFT_INVITE_LINE_SIZE]; /* empty: he has none */
    enum weft_member_standing standing;
    char code[WEFT_MEMBER_CODE_MAX]; /* of the last refusal */
    bool revoked;                    /* somebody was told that it is out */
    weft_time out_at;                /* since then every gateway knows; WEFT_NEVER: not all do */
    unsigned tries;
};

/* A node on a host of its own; `number` makes its addresses. `begins`: it is where the mesh begins. */
void weft_member_init(struct weft_member *member, struct weft_story *story, struct weft_host *people, const char *name,
                      unsigned number, bool gateway, bool begins);
void weft_member_end(struct weft_member *member);
/* Its process ends at once; `power`: its machine too, so that nobody hears of it. It is started again then. */
void weft_member_crash(struct weft_member *member, bool power, weft_time back_in);
bool weft_member_runs(const struct weft_member *member); /* it is up and has started */

/* What its owner does from time to time: starts it again, hears answers, tries to join. */
void weft_member_tick(struct weft_member *member);

/* He asks; the answer comes to `status` and `text` when he does not ask any more (status 0: he got none). */
void weft_member_ask(struct weft_member *member, const char *method, const char *path, const char *body);
/* The same, and waits. The status. */
int weft_member_call(struct weft_member *member, const char *method, const char *path, const char *body);
/* A text of the answer's, cut to the place. False: there is none such. */
bool weft_member_read(const struct weft_member *member, const char *name, char *out, size_t size);

/* Its key, from its file. False: it has none. */
bool weft_member_key(const struct weft_member *member, struct weft_key *key);

#endif
