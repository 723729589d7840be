#pragma once

/* Datasets on the wire: carries out ACTION_INPUT with the fetch core over
 * streams of /quorate/data/1, and serves peers that ask. Shell. */

#include "common/daemon/channel.h"
#include "common/daemon/loop.h"
#include "services/coordinator/coordinator.h"
#include "services/coordinator/data/fetch.h"
#include "services/coordinator/data/store.h"

#define DATA_PROTOCOL "/data/1" /* behind the prefix of the network (common/daemon/network.h) */

struct shell_data;

struct shell_data_config {
        const char *protocol;  /* DATA_PROTOCOL of the node's network; must stay */
        nsec_t silence;        /* of a provider that owes something */
        unsigned window;       /* chunks under way per provider */
        uint64_t fetch_memory; /* leaf lists of all fetches, bytes */
        unsigned serve_max;    /* peers' streams served at once, each holds up to one answer */
        enum pays_mode zstd;   /* chunks that go out */
        int fault;             /* enum fault_mode (faults.h) */
};
extern const struct shell_data_config shell_data_defaults;

/* How an input ended; never called inside shell_data_input(). */
struct shell_data_handler {
        void (*ready)(void *userdata, uint64_t fetch, const struct input_facts *facts);
        void (*failed)(void *userdata, uint64_t fetch, const struct input_failure *failure);
        /* A provider was given up; `why` is for the log. May be NULL. */
        void (*blamed)(void *userdata, const struct peer_id *peer, const char *why);
        /* Who has this dataset? True: shell_data_found() will answer, once, not from inside. May be
         * NULL. */
        bool (*search)(void *userdata, const struct hash_value *root);
        /* A fetch ended, well or not, and this is what each provider did. May be NULL. */
        void (*ended)(void *userdata, const struct hash_value *root,
                      const struct fetch_report *reports, size_t n);
};

struct shell_data *shell_data_new(struct loop *loop, struct store *store,
                                  const struct shell_data_config *config,
                                  const struct shell_data_handler *handler, void *userdata);
struct shell_data *shell_data_free(struct shell_data *d);
DEFINE_CLEANUP(struct shell_data *, shell_data_free);

/* The link to transport/streams; NULL while there is none. */
void shell_data_link(struct shell_data *d, struct link *transport);

/* Makes the dataset present and pins it for `id`; several inputs of one root share
 * one fetch. Without providers and search only what is here counts. What is here, or is known to
 * come, for one job is no more than its claim: the input that would make it more fails with LIMIT,
 * before anything makes room for it. One that is here already is never refused. */
struct data_request {
        uint64_t id;
        struct hash_value root;
        struct input_claim claim;
        const struct peer_id *providers;
        size_t n_providers;
        bool search; /* beside the providers that were named */
};
void shell_data_input(struct shell_data *d, const struct data_request *request);
/* What a search found, with addresses: none of them has shown yet that it has the dataset.
 * `asked`: so many nodes of the DHT answered it. */
void shell_data_found(struct shell_data *d, const struct hash_value *root,
                      const struct candidate *found, size_t n, unsigned asked);
/* Forgets the input and lets go of its pin. */
void shell_data_cancel(struct shell_data *d, uint64_t fetch);

/* A peer opened a stream of DATA_PROTOCOL: accepted and served here. is_far: stream_is_far(). */
void shell_data_inbound(struct shell_data *d, struct channel *c, bool is_far);

/* Of a fetch under way; false: there is none. all: 0 while nobody has given the manifest. */
struct data_progress {
        uint64_t chunks, all;
        bool is_checking; /* what an earlier fetch left */
        struct fetch_report reports[FETCH_PROVIDERS_MAX];
        size_t n_reports;
};
bool shell_data_progress(const struct shell_data *d, const struct hash_value *root,
                         struct data_progress *ret);

struct shell_data_stats {
        uint64_t fetched_bytes, served_bytes, served_requests, refused_streams;
        uint64_t packed_bytes; /* of chunks that went out as frames, before */
        size_t fetches, served_streams;
};
void shell_data_stats(const struct shell_data *d, struct shell_data_stats *ret);
