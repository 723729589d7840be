#pragma once

/* Fetching one dataset by its root from several providers at once, as a state
 * machine: manifest, leaf list, chunks in any order. Every byte is checked
 * against the root before the sink sees it; who sent a wrong one is named and
 * not asked again. Pure: streams are actions, the disk is the sink. */

#include "common/base/budget.h"
#include "common/base/nsec.h"
#include "common/wire/peerid.h"
#include "services/coordinator/data/manifest.h"

#define FETCH_PROVIDERS_MAX 16

struct fetch;

struct fetch_config {
        nsec_t silence;  /* a provider that owes something and says nothing for this long is dropped
                          */
        unsigned window; /* chunks asked of one provider before the first arrived, 1..64 */
        struct budget *memory; /* charged for manifest, leaf list and chunk states */
};

/* Where verified content goes. Each returns 0, or a negative errno: the fetch ends with it. */
struct fetch_sink {
        int (*manifest)(void *userdata, struct bytes encoded, const struct manifest *m);
        int (*leaves)(void *userdata, const struct hash_value *leaves, uint64_t n);
        int (*chunk)(void *userdata, uint64_t index, struct bytes data);
};

/* Why a provider was given up; the names are for people. */
enum fetch_fault {
        FETCH_FAULT_NONE = 0,
        FETCH_FAULT_UNREACHABLE,
        FETCH_FAULT_MISSING, /* does not have it */
        FETCH_FAULT_SILENT,
        FETCH_FAULT_CLOSED,
        FETCH_FAULT_MALFORMED,
        FETCH_FAULT_MANIFEST, /* sent another manifest */
        FETCH_FAULT_LEAVES,
        FETCH_FAULT_CHUNK,   /* sent wrong bytes */
        FETCH_FAULT_PACKED,  /* sent a frame that declares or yields another length, or is broken */
        FETCH_FAULT_SLOW,    /* dripped leaves while another one was there to give them */
        FETCH_FAULT_NOTHING, /* was asked, and had given nothing when others had given all */
        FETCH_FAULT_STALLED, /* said nothing for a second or more, and then its stream ended */
};
const char *fetch_fault_name(enum fetch_fault fault);

struct fetch_report {
        struct peer_id peer;
        enum fetch_fault fault;
        uint64_t chunks; /* good ones */
        uint64_t bytes;
        nsec_t quiet; /* SILENT, STALLED: how long nothing came that it owed */
};
#define FETCH_TEXT_SIZE 64
/* The fault with its time: "stalled (no bytes in 10 s)". Returns ret. */
const char *fetch_report_text(const struct fetch_report *r, char ret[FETCH_TEXT_SIZE]);

enum fetch_action_kind {
        FETCH_NONE = 0,
        FETCH_OPEN,   /* open /quorate/data/1 to `peer`, then fetch_opened() or fetch_closed() */
        FETCH_SEND,   /* write `data` (framed) to the provider's stream */
        FETCH_DROP,   /* reset the provider's stream; nothing of it is to be fed any more */
        FETCH_DONE,   /* all chunks are in the sink; last action */
        FETCH_FAILED, /* error: negative errno of the sink, or 0: no provider left; last action */
};
struct fetch_action {
        enum fetch_action_kind kind;
        unsigned provider;
        struct peer_id peer;
        struct bytes data; /* valid until the next call */
        int error;
};

/* Never fails. Release with fetch_free(). sink and config->memory must outlive it. */
struct fetch *fetch_new(const struct hash_value *root, const struct fetch_config *config,
                        const struct fetch_sink *sink, void *userdata);
struct fetch *fetch_free(struct fetch *f);
DEFINE_CLEANUP(struct fetch *, fetch_free);

/* What an earlier try left in the sink: checked against the root like anything
 * else; `have[i]` says which chunks the sink verified. 0, or -EBADMSG. */
int fetch_resume(struct fetch *f, struct bytes manifest, const struct hash_value *leaves,
                 const bool *have);

/* At most FETCH_PROVIDERS_MAX; a peer already there is ignored. */
void fetch_add_provider(struct fetch *f, const struct peer_id *peer, nsec_t now);

/* One of whom it is only said that he has it: he is asked for the manifest by its finding key,
 * and told the root when he has shown it. */
void fetch_add_stranger(struct fetch *f, const struct peer_id *peer, nsec_t now);
/* While `more` may still be added, having none is no failure. */
void fetch_wait(struct fetch *f, bool more, nsec_t now);

void fetch_opened(struct fetch *f, unsigned provider, nsec_t now);
/* One frame without its prefix. */
void fetch_frame(struct fetch *f, unsigned provider, struct bytes frame, nsec_t now);
/* More bytes of a frame under way arrived: the provider is not silent. Leaves come from one
 * provider at a time: it has four times the silence for each answer of 256 KiB when another
 * could take over. (A slow chunk holds nobody: idle providers try it too.) */
void fetch_alive(struct fetch *f, unsigned provider, nsec_t now);
void fetch_closed(struct fetch *f, unsigned provider, enum fetch_fault why, nsec_t now);

bool fetch_output(struct fetch *f, struct fetch_action *ret);
nsec_t fetch_deadline(const struct fetch *f);
void fetch_expire(struct fetch *f, nsec_t now);

/* The encoded manifest, empty before it is known. */
struct bytes fetch_manifest(const struct fetch *f);
/* Chunks in the sink and in all; all is 0 before the manifest is known. */
void fetch_progress(const struct fetch *f, uint64_t *ret_have, uint64_t *ret_all);
size_t fetch_reports(const struct fetch *f, struct fetch_report *ret, size_t max);
