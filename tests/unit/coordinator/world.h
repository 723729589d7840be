#pragma once

/* A coordinator that asks, with hosts played by hand: keyring, journal, worker and client answer
 * at once; what it asks of hosts is noted. Everything on virtual time. */

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/canonical/schema.h"
#include "common/wire/unpack.h"
#include "proto/gossip.pb-c.h"
#include "proto/grid.pb-c.h"
#include "services/coordinator/coordinator.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/hosts.h"
#include "services/coordinator/journal_file.h"
#include "tests/support/test.h"

#define WORLD_ENGINE "sim/1/model"
#define WORLD_CLIENT 1
#define WORLD_SELF   200
#define WORLD_MAX    64
#define WORLD_START  NSEC_PER_SEC

struct world {
        struct coordinator *c;
        nsec_t now;
        struct candidate list[WORLD_MAX];
        size_t n_list;
        struct {
                struct peer_id peer;
                uint64_t stream;
                bool is_reset, has_bid;
        } asked[WORLD_MAX];
        size_t n_asked;
        struct peer_id voters[WORLD_MAX]; /* whose dispatch was signed */
        size_t n_voters;
        uint64_t find;
        unsigned n_finds, problem;
        bool is_local, has_ended;
        struct governor_worker worker;
        uint64_t run;           /* of our own worker, the latest */
        uint64_t memory;        /* that it is given, to analyse or to run */
        char engine[64];        /* that it was last asked for, to analyse or to run */
        const char *of_engine;  /* --engine; NULL: any */
        const char *comparison; /* NULL: by its class */
        bool is_away;           /* its client never comes for the result */
        bool is_mute;           /* its worker does not answer what it is to analyse */
        unsigned seed;
        struct journal_file *journal; /* NULL: nothing is kept */
        uint8_t job[HASH_SIZE];       /* the name its client was told */
        uint64_t input;               /* the dataset that was looked for last */
        bool has_input;               /* what is submitted has one */
        const char *not_portable;     /* why, at byte 7, with `comparison`; NULL: it is portable */
        Coordinator__ExplainReply *explained; /* the latest, of world_explain() */
        struct unpacked explained_memory;
        bool is_explaining, is_diverse, is_described;
        const Types__Problem *failure; /* what the worker says of each statement; NULL: EXACT */
        Gossip__DrawRequest *draw;     /* the latest */
        struct unpacked draw_memory;
        char detail[256], reason[512], state[16], fell_over[256];
        const char *const *engines;
        size_t n_engines;
        struct schema *schema;
};

ProtobufCBinaryData world_binary(struct bytes v);
void world_pump(struct world *w); /* carries out what it wants */
void world_wait(struct world *w, nsec_t time);
struct candidate *world_add(struct world *w, enum candidate_origin origin);
void world_tell(struct world *w); /* the list is what is known */
struct world *world_begin(unsigned seed);
void world_end(struct world *w);
void world_keep(struct world *w); /* a journal, from which world_restart() begins again */
void world_restart(struct world *w);
void world_engines(struct world *w, const char *const *engines, size_t n); /* of its workers */
void world_attach(struct world *w);
void world_answer(struct world *w); /* what it is to analyse, after is_mute */
void world_submit(struct world *w, const char *prefer);
void world_explain(struct world *w, const char *prefer);
/* The worker's own run fails, or a host's after its dispatch. */
void world_run_fails(struct world *w, unsigned code, const char *detail);
void world_runs_out(struct world *w, const struct peer_id *host); /* of memory */
void world_bid_as(struct world *w, size_t i, const char *engine, uint64_t memory);
void world_bid(struct world *w, size_t i); /* those gossip names promise to be the fastest */
void world_bid_all(struct world *w);
unsigned world_count_voters(const struct world *w, enum candidate_origin origin);
unsigned world_count_asked(const struct world *w, enum candidate_origin origin);
bool world_was_asked(const struct world *w, const struct peer_id *peer);
void world_add_many(struct world *w, enum candidate_origin origin, unsigned n);
void world_say(struct world *w, size_t i,
               const Grid__JobMessage *m); /* the host of asked[i] says it */
size_t world_index_of(const struct world *w, const struct peer_id *peer);
enum candidate_origin world_origin_of(const struct world *w, const struct peer_id *peer);
struct peer_id world_peer_of(unsigned i);
