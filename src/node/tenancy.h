/* node/tenancy.h - which model is loaded next, and which one goes for it.
 *
 * Pure: facts come in, one step comes out; whoever takes it asks again. One model loads at a time, and none while
 * another's engine is ending: each looks at what memory is left. Nobody goes while an answer runs on it or waits. */
#ifndef WEFT_NODE_TENANCY_H
#define WEFT_NODE_TENANCY_H

#include "base/types.h"

enum weft_tenant_state {
    WEFT_TENANT_OUT,     /* it has no engine */
    WEFT_TENANT_LOADING, /* its engine takes its memory */
    WEFT_TENANT_IN,      /* its engine is ready */
    WEFT_TENANT_LEAVING, /* its engine is ending */
};

struct weft_tenant {
    enum weft_tenant_state state;
    bool due;        /* to be loaded as soon as it can be */
    weft_time since; /* due */
    bool asked;      /* for a request: others may go for it. Else it comes only if there is room */
    bool refused;    /* its engine found too little memory, and none was given back since */
    bool stays;      /* not unloaded for being idle: somebody named it */
    size_t users;    /* answers that run on it or wait for it */
    weft_time used;  /* when it was needed last */
    uint64_t memory; /* bytes that it takes, or took; 0: not known yet */
};

struct weft_tenancy {
    const struct weft_tenant *at;
    size_t count;
    size_t most; /* loaded at once */
    weft_time now;
    weft_time keep_alive; /* of one that nobody needs; 0: for ever */
    uint64_t budget;      /* bytes of all together; 0: their engines say what there is */
};

enum weft_tenancy_step {
    WEFT_TENANCY_NOTHING,     /* before `again` */
    WEFT_TENANCY_LOAD,        /* `index`, into `room` */
    WEFT_TENANCY_UNLOAD_IDLE, /* nobody has needed it for long */
    WEFT_TENANCY_UNLOAD_FOR,  /* another one needs its room */
    WEFT_TENANCY_LEAVE_OUT,   /* it does not fit beside the others, and nobody asks for it: it is not due any more */
    WEFT_TENANCY_GIVE_UP,     /* it does not fit, though no other one is loaded */
};

struct weft_tenancy_decision {
    enum weft_tenancy_step step;
    size_t index;    /* of the tenant that it is about */
    uint64_t room;   /* bytes of the budget that are left; 0: no bound */
    weft_time again; /* when something is due that nobody will report; WEFT_NEVER: nothing is */
};

struct weft_tenancy_decision weft_tenancy_decide(const struct weft_tenancy *tenancy);

#endif
