#pragma once

/* A coordinator's socket with a quorate-worker process behind it, and jobs on that. The
 * program is $QUORATE_WORKER; two slots; the dataset `people.db` has 20,000 rows. */

#include <sys/types.h>

#include "common/canonical/answer.h"
#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/loop.h"
#include "common/wire/frame.h"
#include "proto/coordinator.pb-c.h"
#include "tests/support/test.h"

struct coordinator {
        Coordinator__Jobs_Service base;
        char folder[64];
        struct loop *loop;
        struct rpc_server *rpc;
        struct bus_server *bus;
        struct link *worker;
        pid_t pid;
        char engine[96];
        unsigned missing, slots, n_engines, n_problems;
};

/* One job as the coordinator sees it. */
struct seen {
        struct channel *channel;
        struct frame_reader frames;
        bool is_accepted, is_ended, is_finished, is_started, is_committed, is_failed, has_end;
        bool is_analysed, has_plan;
        unsigned n_analyses;
        uint32_t end_code, outcome, error;
        char detail[128], engine[96]; /* engine: of the commit */
        struct answer answer;
        uint64_t cpu_us, peak_memory, next_batch;
        uint64_t link; /* bytes a second, told with each fetch; 0: our own node */
        unsigned n_progress, n_batches, n_compressed;
        struct answer_checker checker;
        bool checks;
        uint8_t digests[64 * HASH_SIZE];
        size_t n_digests;
        int check_result;
};

struct wanted {
        const char *sql, *path, *engine; /* engine NULL: the first that was enlisted */
        uint64_t length, wall_ms, memory;
        uint32_t form;
        bool stream, analyse; /* analyse: that alone, and with a plan */
};

/* Schema of every job: one column of type ANY. */
extern const uint8_t worker_schema_any[5];

struct coordinator *coordinator_new(void);
void coordinator_free(struct coordinator *c);
/* `name` below its folder, which has `datasets`, `state` and `outside`. */
void in_folder(const struct coordinator *c, const char *name, char ret[160]);
uint64_t dataset_length(const struct coordinator *c, const char *name);
/* Turns the loop until *flag; false after 20 seconds. */
bool wait_for(struct coordinator *c, const bool *flag);
void submit(struct coordinator *c, struct seen *s, const struct wanted *want);
void fetch(struct seen *s, uint64_t from, uint64_t count, bool digests);
void finish(struct coordinator *c, struct seen *s); /* waits for the end of the channel */

/* How many processes there are below it; *ret_last is the one started last. */
unsigned children_of(pid_t pid, pid_t *ret_last);
