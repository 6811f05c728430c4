"""The bugs that are planted: what is put where in src/, and which tests are to notice.

`old` must be in `file` exactly once, so a bug whose place has moved on is no bug that goes unnoticed: it is written anew.
`tests` are names as ctest has them, up to any end. `who`: how it was chosen."""
import collections

Bug = collections.namedtuple("Bug", "name file old new tests who")

MESH = ("unit_mesh_", "conformance_")
STORE = ("unit_node_admitting", "unit_node_mesh_state", "torture_store", "unit_store_")
LINKS = ("unit_node_expiring", "unit_node_known")
STORY = ("sim_mesh",)
ISSUE = "named when the mesh was planned"
TOO = "to see that the simulator notices what unit tests do"
SEEN = "for a rule of the simulator's judge, when that was written"
BLIND = "from the sources alone, before its tests were read"
LATER = "from the sources and docs/PROTOCOL.md, by somebody who had not read the tests"

BUGS = (
    # -- a signature is not checked --
    Bug("the signature of an announcement is not checked", "src/mesh/roster.c",
        """    if (!verified(offer)) {
        return WEFT_ROSTER_FORGED;
    }
""", "", MESH, ISSUE),
    Bug("the signature of what is said in our name is not checked", "src/mesh/roster.c",
        """    if (!verified(offer)) {
        return WEFT_ROSTER_FORGED; /* so nobody else makes us count on */
    }
""", "", MESH, ISSUE),
    Bug("a gateway's signature under a member's certificate is not checked", "src/mesh/membership.c",
        "if (!verified(&own->issuer, parts)) {", "if (!parts) {", MESH, ISSUE),
    Bug("the root's signature under a gateway's certificate is not checked", "src/mesh/membership.c",
        "if (!verified(&membership->mesh, parts)) {", "if (!parts) {", MESH, ISSUE),
    Bug("the signature of a revocation is not checked", "src/mesh/membership.c",
        """    if (!weft_key_verify(&signer, WEFT_REVOCATION_DOMAIN, parts.record, parts.signature)) {
        return WEFT_ERR_CRYPTO;
    }
""", "", MESH, ISSUE),
    Bug("the signature of an application is not checked", "src/mesh/registrar.c",
        "!weft_key_verify(&asked.node, WEFT_APPLICATION_DOMAIN, parts.record, parts.signature)",
        "!weft_key_set(&asked.node)", MESH, ISSUE),
    Bug("that somebody has the invite is not checked", "src/mesh/registrar.c",
        "return weft_key_verify(&application->invite, WEFT_PROOF_DOMAIN, weft_slice(text, sizeof(text)), application->proof);",
        "return weft_key_set(&application->invite);", MESH, ISSUE),
    # -- something old is taken --
    Bug("an old sequence is taken", "src/mesh/roster.c",
        "return (announcement->sequence > known->sequence) - (announcement->sequence < known->sequence);",
        "return announcement->sequence != known->sequence;", MESH, ISSUE),
    Bug("an old incarnation is taken", "src/mesh/roster.c",
        "return announcement->incarnation > known->incarnation ? 1 : -1;", "return 1;", MESH, ISSUE),
    # -- an end is forgotten --
    Bug("a certificate does not expire", "src/mesh/membership.c",
        "return now_s > certificate->not_after_s + WEFT_SKEW_S ? WEFT_VERDICT_EXPIRED : WEFT_VERDICT_MEMBER;",
        "return WEFT_VERDICT_MEMBER;", MESH, ISSUE),
    Bug("the certificate of whoever certified does not expire", "src/mesh/membership.c",
        "verdict = judge_dates(&issuer, now_s);", "verdict = WEFT_VERDICT_MEMBER;", MESH, ISSUE),
    Bug("an invite does not expire", "src/mesh/invites.c",
        "if (now_s > entry->expires_s) {\n        *why", "if (now_s < 0) {\n        *why", MESH, ISSUE),
    Bug("an announcement that is held does not expire", "src/mesh/roster.c",
        "if (entry->bytes && now_s > entry->expires_s) {", "if (entry->bytes && now_s < 0) {", MESH, ISSUE),
    Bug("an announcement may be of any age", "src/mesh/roster.c",
        "return made_s < offer->now_s - WEFT_ROSTER_LIFE_S - WEFT_SKEW_S ? WEFT_ROSTER_STALE : WEFT_ROSTER_ADDED;",
        "return WEFT_ROSTER_ADDED;", MESH, ISSUE),
    Bug("a revocation does not end", "src/mesh/membership.c",
        "if (in_power && now_s <= entry->until_s + WEFT_SKEW_S) {", "if (in_power && now_s >= 0) {", MESH, ISSUE),
    Bug("a link does not end with the certificate of its peer", "src/node/expiring.c",
        "if (weft_known_ends_s(options->known, &key) < now_s) {", "if (now_s < 0) {", LINKS, ISSUE),
    Bug("a newer certificate that was announced is not looked for", "src/node/expiring.c",
        "        take_announced(expiring, &key, now_s);\n", "        (void)take_announced;\n", LINKS, ISSUE),
    Bug("a chain does not end with its gateway's certificate", "src/mesh/membership.c",
        "return (own.not_after_s < issuer.not_after_s ? own.not_after_s : issuer.not_after_s) + WEFT_SKEW_S;",
        "return own.not_after_s + WEFT_SKEW_S;", MESH, ISSUE),
    # -- something is done twice --
    Bug("a node that asks again uses an invite again", "src/mesh/invites.c",
        "return !use ? WEFT_REDEMPTION_STORE : use->stored", "return !use || now_s > 0 ? WEFT_REDEMPTION_STORE : use->stored", MESH + STORE, ISSUE),
    Bug("the store counts a redemption again", "src/store/tables.c",
        "bool again = status > 0;", "bool again = false;", STORE, ISSUE),
    Bug("the same announcement is taken again", "src/mesh/roster.c",
        """        return WEFT_ROSTER_KNOWN;
    }
    if (order == 0 && offer->known->equivocates""", """        return WEFT_ROSTER_ADDED;
    }
    if (order == 0 && offer->known->equivocates""", MESH, ISSUE),
    Bug("one gateway's word that it reaches a node counts each time", "src/mesh/roster.c",
        """        if (entry->via[i] == place + 1) {
            return;
        }
""", "", MESH, ISSUE),
    # -- all do it at the same time --
    Bug("whoever failed dials again after a fixed time", "src/mesh/anchor.c",
        "return span / 2 + below(anchor, span / 2);", "return span + below(anchor, 1);", MESH, ISSUE),
    Bug("all nodes of a gateway that ends dial at once", "src/mesh/anchor.c",
        """        anchor->hold = now + below(anchor, WEFT_ANCHOR_SPREAD);
    }
    place->failed = steady""", """        anchor->hold = now;
    }
    place->failed = steady""", MESH, ISSUE),
    Bug("gateways compare what they have in step", "src/mesh/gossip_pull.c",
        "now + WEFT_GOSSIP_PULL / 2 + (weft_time)weft_random_below(&gossip->random, WEFT_GOSSIP_PULL);",
        "now + WEFT_GOSSIP_PULL;", MESH, ISSUE),
    # -- others --
    Bug("a certificate need not be of the gateway whose own comes with it", "src/mesh/membership.c",
        """    if (!weft_key_equal(&issuer.subject, &own->issuer)) {
        return WEFT_VERDICT_ISSUER_UNKNOWN;
    }
""", "", MESH, BLIND),
    Bug("strangers take the places of members", "src/mesh/roster.c",
        "if (kind != WEFT_ENTRY_MEMBER) {\n        return victim;", "if (kind == WEFT_ENTRY_SPOKEN_OF) {\n        return victim;",
        MESH, BLIND),
    Bug("a node that slept gives up its links for the time in which it slept", "src/mesh/liveness.c",
        ".state = WEFT_LIVENESS_ASKED, .next = now + WEFT_LIVENESS_ANSWER",
        ".state = WEFT_LIVENESS_ASKED, .next = liveness->next + WEFT_LIVENESS_ANSWER", MESH, BLIND),
    Bug("what the store could not keep is answered with a certificate", "src/node/admitting.c",
        "bool stored = status == 0 && result", "bool stored = status <= 0 && result", STORE, BLIND),
    Bug("a redemption that could not be stored stays counted", "src/node/admitting.c",
        "        weft_invites_failed(invites, &matter->use);\n", "        weft_invites_stored(invites, &matter->use);\n", STORE,
        BLIND),
    # -- what the simulator notices --
    Bug("uses of an invite are forgotten with a start", "src/node/mesh_loading.c",
        "error = weft_invites_restore_use(loading->invites, &use);",
        "error = use.serial % 2 ? 0 : weft_invites_restore_use(loading->invites, &use);", STORY, TOO),
    Bug("a key that was put out is certified again", "src/mesh/registrar.c",
        """    if (weft_membership_revoked(registrar->membership, node, role, now_s)) {
        return refuse(why, WEFT_REFUSAL_KEY_REVOKED);
    }
""", "", STORY, TOO),
    Bug("a node that was put out is answered like a member", "src/node/known.c",
        "return counts ? (int)certificate.role : 0;",
        "return counts || (entry && certificate.role) ? (int)certificate.role : 0;", STORY, SEEN),
    Bug("a node that was put out stays in the roster", "src/mesh/roster.c",
        "if (entry->issuer == id || weft_key_equal(&entry->key, subject)) {", "if (entry->issuer == id && now_s < 0) {",
        STORY, SEEN),
    Bug("a node that lacks the model is the last one that is asked", "src/node/peers.c",
        "return wrong || problem->status == 413 ||", "return wrong || problem->status == 421 || problem->status == 413 ||",
        STORY, SEEN),
    Bug("whatever file is there now goes on with an answer", "src/node/models.c",
        "if (!own->known || memcmp(own->bytes, hash, WEFT_HOST_HASH_SIZE) != 0) {", "if (!own->known || !hash) {", STORY, SEEN),
    # -- others --
    Bug("two links to one gateway count as two gateways", "src/mesh/anchor.c",
        "bool twice = leads(anchor, LINK_ATTACHED, key);", "bool twice = false;", MESH, BLIND),
    # -- all six that somebody wrote down on 2026-11-22, when all was built, before opening any file of tests/ or sim/; the
    # second and the fourth went unnoticed then: what notices them is younger --
    Bug("half a step of an attempt that was cut is told", "src/mesh/resume.c",
        "    weft_bytes_deinit(&resume->step);\n    resume->missing = 0;\n", "    resume->missing = 0;\n", MESH, LATER),
    Bug("a use that the store was not asked to keep is held back for ever", "src/node/admitting.c",
        "        settle(matter, false);\n        tell_all(", "        tell_all(", STORE, LATER),
    Bug("a commit returns before it is on the disk", "src/store/database.c",
        "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL", STORE, LATER),
    Bug("a gateway passes on to a third one what another asks it", "src/node/peer_relay.c",
        "if (error == 0 || call->principal == WEFT_GATEWAY || !roster) {", "if (error == 0 || !roster) {",
        ("unit_node_peer",), LATER),
    Bug("a start takes the incarnation of the one before", "src/node/mesh_state.c",
        ".incarnation = result->incarnation + 1}, on_raised", ".incarnation = result->incarnation}, on_raised", STORE, LATER),
    Bug("a revocation for which another went is put where it was to go before", "src/mesh/membership.c",
        "    place = place_of(membership, &revocation->subject, signer); /* room may have been made before it */\n", "", MESH,
        LATER),
)
