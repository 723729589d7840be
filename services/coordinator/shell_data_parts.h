#pragma once

/* What the two halves of shell_data share: shell_data.c has fetches and inputs,
 * shell_data_stream.c the streams to providers. Private to them. */

#include "common/wire/frame.h"
#include "services/coordinator/data/store_fetch.h"
#include "services/coordinator/shell_data.h"
#include "services/coordinator/shell_serve.h"

/* One stream to one provider of a getting. */
struct supply {
        struct getting *getting;
        unsigned provider;
        struct channel *channel; /* NULL: not open */
        struct frame_reader frames;
        bool accepted;
};

/* One root being fetched, for one or more inputs. */
struct getting {
        struct list link; /* in shell_data.gettings */
        struct shell_data *data;
        struct hash_value root;
        struct store_fetch *fetch;
        struct supply supplies[FETCH_PROVIDERS_MAX];
        bool pumping;
        bool is_checking; /* what an earlier fetch left; nobody is asked before */
        struct peer_id providers[FETCH_PROVIDERS_MAX]; /* until then */
        struct candidate *strangers;                   /* found by a search; owned */
        size_t n_providers, n_strangers;
        bool has_searched, is_searching;
        unsigned n_searched; /* nodes of the DHT that answered the search */
};

/* One ACTION_INPUT. */
struct input {
        struct list link; /* in shell_data.inputs */
        uint64_t id;
        struct hash_value root;
        struct input_claim claim;
        bool told, pinned;
        struct input_failure failure; /* code OUTCOME_OK: ready */
        uint64_t fetched;
};

struct shell_data {
        struct loop *loop;
        struct store *store;
        struct shell_data_config config;
        const struct shell_data_handler *handler;
        void *userdata;
        struct link *transport;
        struct loop_source *timer, *tell, *check;
        struct budget memory;
        struct list gettings, inputs;
        struct servings servings;
        uint64_t fetched_bytes;
};

/* Carries out what the fetch wants; frees it at its end. */
void getting_pump(struct getting *g);

/* shell_data_stream.c: actions of a fetch; what comes of them goes to its core. */
void supply_open(struct getting *g, const struct fetch_action *a);
void supply_send(struct getting *g, const struct fetch_action *a);
void supply_close(struct supply *s);
