/* node/admitting.c - invites and applications, on their way to the store and back. */
#include "node/admitting.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "node/mesh_loading.h"

/* What is being stored, and who waits for it. */
struct matter {
    struct weft_admitting *admitting;
    struct matter *next;
    void *self; /* of those who wait; NULL with `answer`: they have left */
    weft_admitting_answer *answer;
    weft_admitting_invited *invited;
    struct weft_invite_use use; /* of an application */
    enum weft_role role;        /* likewise: which the invite gives */
    bool rides;             /* the same node's use is being stored for another application: it is answered with it */
    bool counts;            /* a use is held back until it is stored */
    struct weft_key invite; /* that is made or taken back */
    bool takes_back;
    char line[WEFT_INVITE_LINE_SIZE]; /* of one that is made: wiped once it was told */
};

struct weft_admitting {
    struct weft_mesh_state *state;
    struct weft_host *host;
    struct weft_journal *journal;
    struct matter *matters;
    size_t count;
};

static uint64_t draw_serial(const struct weft_admitting *admitting)
{
    uint64_t serial;
    admitting->host->ops->entropy(admitting->host, &serial, sizeof(serial));
    return serial;
}

/* -- matters -- */

static struct matter *new_matter(struct weft_admitting *admitting, void *self)
{
    struct matter *matter =
        admitting->count < WEFT_ADMITTING_MAX ? (struct matter *)weft_zalloc(sizeof(*matter)) : NULL;
    if (matter) {
        matter->admitting = admitting;
        matter->self = self;
        matter->next = admitting->matters;
        admitting->matters = matter;
        admitting->count++;
    }
    return matter;
}

static void free_matter(struct matter *matter)
{
    struct weft_admitting *admitting = matter->admitting;
    struct matter **at = &admitting->matters;
    while (*at != matter) {
        at = &(*at)->next;
    }
    *at = matter->next;
    admitting->count--;
    weft_secret_wipe(matter->line, sizeof(matter->line));
    weft_free(matter);
}

static int ask(struct weft_admitting *admitting, struct weft_store_op *op, weft_store_done *done, void *self)
{
    op->now_s = weft_mesh_state_now_s(admitting->state);
    return admitting->host->ops->store(admitting->host, op, done, self);
}

/* -- answers -- */

/* `node`: NULL if it is not known who asks. */
static void note(const struct weft_admitting *admitting, const char *event, const struct weft_key *node,
                 const char *name, const char *value)
{
    char id[WEFT_PEER_ID_SIZE];
    if (weft_journal_begin(admitting->journal, WEFT_LOG_INFO, event)) {
        if (node) {
            weft_key_text(node, id);
            weft_journal_word(admitting->journal, "node", id);
        }
        weft_journal_word(admitting->journal, name, value);
        weft_journal_end(admitting->journal);
    }
}

/* Who applies is told to come again: only this gateway's owner can mend it. */
static void note_not_stored(const struct weft_admitting *admitting, const char *why)
{
    if (weft_journal_begin(admitting->journal, WEFT_LOG_WARN, "admission not stored")) {
        weft_journal_word(admitting->journal, "why", why);
        weft_journal_end(admitting->journal);
    }
}

static void tell(weft_admitting_answer *answer, void *self, struct weft_slice chain, enum weft_refused refusal)
{
    uint8_t record[WEFT_ADMISSION_MAX];
    const struct weft_admission admission = {.chain = chain, .refusal = refusal};
    int64_t size = weft_admission_write(&admission, record);
    WEFT_ASSERT(size > 0); /* a chain that was read or written, or one of our refusals */
    answer(self, weft_slice(record, (size_t)size));
}

static int refuse(const struct weft_admitting *admitting, weft_admitting_answer *answer, void *self,
                  enum weft_refused refusal)
{
    note(admitting, "node not admitted", NULL, "why", weft_refusal_word(refusal));
    tell(answer, self, (struct weft_slice){0}, refusal);
    return 0;
}

static void tell_matter(struct matter *matter, struct weft_slice chain, enum weft_refused refusal)
{
    weft_admitting_answer *answer = matter->answer;
    void *self = matter->self;
    if (chain.size == 0) {
        note(matter->admitting, "node not admitted", &matter->use.node, "why", weft_refusal_word(refusal));
    }
    free_matter(matter);
    if (answer) {
        tell(answer, self, chain, refusal);
    }
}

static bool same_use(const struct weft_invite_use *a, const struct weft_invite_use *b)
{
    return weft_key_equal(&a->invite, &b->invite) && weft_key_equal(&a->node, &b->node);
}

static struct matter *next_rider(const struct weft_admitting *admitting, const struct weft_invite_use *use)
{
    struct matter *matter = admitting->matters;
    while (matter && !(matter->rides && same_use(&matter->use, use))) {
        matter = matter->next;
    }
    return matter;
}

/* Those who rode along are told the same. */
static void tell_all(struct matter *matter, struct weft_slice chain, enum weft_refused refusal)
{
    struct weft_admitting *admitting = matter->admitting;
    const struct weft_invite_use use = matter->use;
    tell_matter(matter, chain, refusal);
    for (struct matter *rider; (rider = next_rider(admitting, &use));) {
        tell_matter(rider, chain, refusal);
    }
}

static void settle(const struct matter *matter, bool stored)
{
    struct weft_invites *invites = weft_mesh_state_invites(matter->admitting->state);
    if (!matter->counts || !invites) {
        return; /* it was stored before, or the mesh was left meanwhile */
    }
    if (stored) {
        weft_invites_stored(invites, &matter->use);
    } else {
        weft_invites_failed(invites, &matter->use);
    }
}

static const char *problem_of(int status, const struct weft_store_result *result)
{
    return result && result->problem ? result->problem : weft_error_text(status);
}

static void on_redeemed(void *self, int status, const struct weft_store_result *result)
{
    struct matter *matter = self;
    bool stored = status == 0 && result->verdict != WEFT_STORE_REFUSED;
    settle(matter, stored);
    if (stored) {
        note(matter->admitting, "node admitted", &matter->use.node, "role", weft_role_text(matter->role));
        tell_all(matter, weft_slice(result->record.bytes, result->record.size), WEFT_REFUSAL_OTHER);
    } else {
        if (status < 0) {
            note_not_stored(matter->admitting, problem_of(status, result));
        }
        tell_all(matter, (struct weft_slice){0}, status < 0 ? WEFT_REFUSAL_BUSY : (enum weft_refused)result->refusal);
    }
}

/* -- applications -- */

/* The use is held back: stores it with its certificate. Also for one that is stored: then the store has the certificate
 * that was given then, and tells that one. */
static void store_use(struct matter *matter, const struct weft_registrar *registrar)
{
    struct weft_store_op op = {.kind = WEFT_STORE_REDEEM, .key = weft_mesh_loading_key(&matter->use.invite)};
    const struct weft_invite_use *use = &matter->use;
    uint8_t chain[WEFT_CHAIN_MAX];
    enum weft_refused why = WEFT_REFUSAL_BUSY;
    struct weft_chain links;
    struct weft_certificate own;
    struct weft_signed parts;
    int64_t size = weft_registrar_certify(registrar, &use->node, matter->role,
                                          weft_mesh_state_now_s(matter->admitting->state), use->serial, chain, &why);
    bool made = size > 0 && weft_chain_read(weft_slice(chain, (size_t)size), &links) == 0 &&
                weft_certificate_read(links.own, &own, &parts) == 0;
    if (made) {
        op.record = (struct weft_store_record){
            .key = weft_mesh_loading_key(&use->node), .expires_s = own.not_after_s, .size = (size_t)size};
        memcpy(op.record.bytes, chain, (size_t)size);
    }
    if (!made || ask(matter->admitting, &op, on_redeemed, matter) < 0) {
        settle(matter, false);
        tell_all(matter, (struct weft_slice){0}, why);
    }
}

static int redeem(struct weft_admitting *admitting, const struct weft_registrar *registrar,
                  const struct weft_registrar_case *asked, uint64_t serial, weft_admitting_answer *answer, void *self)
{
    struct weft_invites *invites = weft_mesh_state_invites(admitting->state);
    enum weft_refused why = WEFT_REFUSAL_BUSY;
    struct matter *matter = new_matter(admitting, self);
    if (!matter) {
        return refuse(admitting, answer, self, WEFT_REFUSAL_BUSY);
    }
    matter->answer = answer;
    matter->use.node = asked->node;
    int redemption = weft_invites_redeem(invites, &asked->invite, &asked->node, serial,
                                         weft_mesh_state_now_s(admitting->state), &matter->use, &why);
    if (redemption < 0 || redemption == WEFT_REDEMPTION_REFUSED) {
        tell_matter(matter, (struct weft_slice){0}, why);
        return 0;
    }
    matter->rides = redemption == WEFT_REDEMPTION_WAIT;
    matter->counts = redemption == WEFT_REDEMPTION_STORE;
    if (!matter->rides) {
        matter->role = weft_invites_of(invites, &asked->invite)->role;
        store_use(matter, registrar);
    }
    return 0;
}

int weft_admitting_hear(struct weft_admitting *admitting, struct weft_slice application, const uint8_t *link,
                        weft_admitting_answer *answer, void *self, struct weft_key *issuer)
{
    struct weft_registrar registrar;
    struct weft_registrar_case asked;
    uint64_t serial = draw_serial(admitting);
    if (!weft_mesh_state_registrar(admitting->state, &registrar)) {
        return refuse(admitting, answer, self, WEFT_REFUSAL_GATEWAY_LAPSED); /* it has left its mesh */
    }
    switch (
        weft_registrar_hear(&registrar, application, link, weft_mesh_state_now_s(admitting->state), serial, &asked)) {
    case WEFT_REGISTRAR_ADMIT:
        tell(answer, self, weft_slice(asked.chain, asked.chain_size), WEFT_REFUSAL_OTHER);
        return 0;
    case WEFT_REGISTRAR_REDEEM:
        return redeem(admitting, &registrar, &asked, serial, answer, self);
    case WEFT_REGISTRAR_FORWARD:
        *issuer = asked.issuer;
        return 1;
    case WEFT_REGISTRAR_REFUSE:
        break;
    }
    return refuse(admitting, answer, self, asked.refusal);
}

void weft_admitting_leave(struct weft_admitting *admitting, const void *self)
{
    for (struct matter *matter = admitting->matters; matter; matter = matter->next) {
        if (matter->self == self) {
            matter->answer = NULL;
            matter->invited = NULL;
            matter->self = NULL;
        }
    }
}

/* -- invites -- */

static struct weft_invite_state state_of(const struct weft_invites *invites, const struct weft_key *invite)
{
    size_t index = 0;
    while (!weft_key_equal(&weft_invites_at(invites, index).entry->invite, invite)) {
        index++; /* it is there: asserted by _at */
    }
    return weft_invites_at(invites, index);
}

static void on_invite_stored(void *self, int status, const struct weft_store_result *result)
{
    struct matter *matter = self;
    struct weft_invites *invites = weft_mesh_state_invites(matter->admitting->state);
    const char *problem = status == 0 ? "" : problem_of(status, result);
    if (status == 0 && (!invites || !weft_invites_of(invites, &matter->invite))) {
        status = WEFT_ERR_CLOSED;
        problem = "This node has left its mesh meanwhile.";
    }
    struct weft_invite_state told = {0};
    if (status == 0) {
        told = state_of(invites, &matter->invite);
    } else if (invites && !matter->takes_back) {
        weft_invites_drop(invites, &matter->invite);
    }
    if (matter->invited) {
        matter->invited(matter->self, status, matter->line, status == 0 ? &told : NULL, problem);
    }
    free_matter(matter);
}

/* `invite` has its secret. */
static int write_line(const struct weft_registrar *registrar, const struct weft_admitting_wish *wish,
                      const struct weft_invite_entry *entry, struct weft_invite *invite,
                      char line[WEFT_INVITE_LINE_SIZE])
{
    invite->mesh = *weft_membership_mesh(registrar->membership);
    invite->issuer = registrar->gateway->key;
    invite->role = entry->role;
    invite->expires_s = entry->expires_s;
    for (size_t i = 0; i < WEFT_INVITE_ADDRESSES_MAX && wish->addresses[i]; i++) {
        size_t size = strlen(wish->addresses[i]);
        if (size > WEFT_HOSTPORT_MAX) {
            return WEFT_ERR_TOO_LARGE;
        }
        memcpy(invite->addresses[i], wish->addresses[i], size + 1);
    }
    return weft_invite_write(invite, line);
}

int weft_admitting_invite(struct weft_admitting *admitting, const struct weft_admitting_wish *wish,
                          weft_admitting_invited *done, void *self)
{
    struct weft_registrar registrar;
    struct weft_invites *invites = weft_mesh_state_invites(admitting->state);
    if (!weft_mesh_state_registrar(admitting->state, &registrar) ||
        (wish->role == WEFT_ROLE_GATEWAY && !registrar.root)) {
        return WEFT_ERR_DENIED;
    }
    struct matter *matter = new_matter(admitting, self);
    if (!matter) {
        return admitting->count < WEFT_ADMITTING_MAX ? WEFT_ERR_MEMORY : WEFT_ERR_FULL;
    }
    matter->invited = done;
    struct weft_invite invite = {0};
    struct weft_identity key;
    struct weft_invite_entry entry;
    admitting->host->ops->entropy(admitting->host, invite.secret, sizeof(invite.secret));
    weft_invite_identity(invite.secret, &key);
    matter->invite = key.key;
    weft_identity_deinit(&key);
    int error = weft_invites_make(invites, &matter->invite, wish->role, wish->uses,
                                  weft_mesh_state_now_s(admitting->state), wish->life_s, &entry);
    if (error == 0) {
        error = write_line(&registrar, wish, &entry, &invite, matter->line);
        if (error == 0) {
            struct weft_store_op op = {.kind = WEFT_STORE_PUT_INVITE,
                                       .invite =
                                           weft_mesh_loading_row(&entry, weft_membership_mesh(registrar.membership))};
            error = ask(admitting, &op, on_invite_stored, matter);
        }
        if (error < 0) {
            weft_invites_drop(invites, &matter->invite);
        }
    }
    weft_invite_deinit(&invite);
    if (error < 0) {
        free_matter(matter);
    }
    return error;
}

int weft_admitting_take_back(struct weft_admitting *admitting, struct weft_slice id, weft_admitting_invited *done,
                             void *self)
{
    struct weft_invites *invites = weft_mesh_state_invites(admitting->state);
    const struct weft_invite_entry *found = invites ? weft_invites_find(invites, id) : NULL;
    struct weft_invite_entry entry;
    if (!found) {
        return WEFT_ERR_NOT_FOUND;
    }
    struct matter *matter = new_matter(admitting, self);
    if (!matter) {
        return admitting->count < WEFT_ADMITTING_MAX ? WEFT_ERR_MEMORY : WEFT_ERR_FULL;
    }
    matter->invited = done;
    matter->takes_back = true;
    matter->invite = found->invite;
    struct weft_store_op op = {.kind = WEFT_STORE_REVOKE_INVITE, .key = weft_mesh_loading_key(&matter->invite)};
    int error = ask(admitting, &op, on_invite_stored, matter);
    if (error == 0) {
        error = weft_invites_revoke(invites, &matter->invite, &entry); /* counts from now on, whatever the disk says */
        WEFT_ASSERT(error == 0);
    } else {
        free_matter(matter);
    }
    return error;
}

/* -- made and unmade -- */

int weft_admitting_new(struct weft_admitting **out, struct weft_mesh_state *state, struct weft_host *host,
                       struct weft_journal *journal)
{
    *out = weft_zalloc(sizeof(**out));
    if (!*out) {
        return WEFT_ERR_MEMORY;
    }
    (*out)->state = state;
    (*out)->host = host;
    (*out)->journal = journal;
    return 0;
}

void weft_admitting_free(struct weft_admitting *admitting)
{
    if (!admitting) {
        return;
    }
    while (admitting->matters) {
        free_matter(admitting->matters);
    }
    weft_free(admitting);
}
