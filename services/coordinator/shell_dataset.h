#pragma once

/* Datasets as people handle them: what they keep and remove, fetches and verifications they
 * start, and what others are told of it through the DHT. Shell.
 *
 * shell_dataset.c           keeping, naming, removing; the listing's facts
 * shell_dataset_work.c      fetches and verifications under way
 * shell_dataset_announce.c  provider records, and who else has a dataset
 * shell_dataset_rpc.c       one function per rpc of coordinator/admin */

#include "proto/coordinator.pb-c.h"
#include "services/coordinator/data/store_verify.h"
#include "services/coordinator/shell.h"

#define DATASET_WORKS_MAX  64 /* kept in mind, ended ones too */
#define DATASET_ACTIVE_MAX 16 /* under way */

/* Answers other than success, of all these calls. */
enum dataset_code {
        DATASET_E_NONE = 1, /* no such dataset, or name */
        DATASET_E_BUSY,     /* a job reads it, or too much is under way */
        DATASET_E_FULL,     /* quota, disk, or too many kept */
        DATASET_E_REFUSED,
};

enum work_kind { WORK_FETCH = 1, WORK_VERIFY };
enum work_state { WORK_RUNNING = 0, WORK_DONE, WORK_FAILED };

struct dataset_work {
        struct list link; /* in datasets.works, oldest first */
        uint64_t id;
        enum work_kind kind;
        enum work_state state;
        struct hash_value root;
        struct store_verify *verify; /* while it runs */
        struct store_verify_count count;
        bool is_demoted;               /* its wrong chunks are as good as absent now */
        struct data_progress progress; /* of a fetch, the last one */
        uint64_t fetched;              /* bytes */
        char problem[512];
        nsec_t began, ended;
};

struct datasets;

int shell_datasets_start(struct shell *s);
void shell_datasets_stop(struct shell *s);
void shell_datasets_tick(struct shell *s); /* now and then */

/* shell_dataset.c. 0, or an enum dataset_code with `why`; a fault of the disk is DATASET_E_FULL. */
#define DATASET_WHY_SIZE 256
bool dataset_facts(const struct shell *s, const struct hash_value *root, struct buffer *manifest,
                   struct manifest *ret); /* manifest: owns what ret views */
bool dataset_is_public(const struct manifest *m);
/* label NULL: as it was. */
int dataset_pin(struct shell *s, const struct hash_value *root, const char *label,
                char why[DATASET_WHY_SIZE]);
int dataset_unpin(struct shell *s, const struct hash_value *root, char why[DATASET_WHY_SIZE]);
int dataset_remove(struct shell *s, const struct hash_value *root, char why[DATASET_WHY_SIZE]);

/* shell_dataset_work.c */
int dataset_fetch(struct shell *s, const struct hash_value *root, const struct peer_id *from,
                  size_t n_from, struct dataset_work **ret, char why[DATASET_WHY_SIZE]);
/* Pins it first, so that a crash forgets neither; refused, it is not pinned either. */
int dataset_fetch_to_pin(struct shell *s, const struct hash_value *root, const struct peer_id *from,
                         size_t n_from, struct dataset_work **ret, char why[DATASET_WHY_SIZE]);
int dataset_verify(struct shell *s, const struct hash_value *root, struct dataset_work **ret,
                   char why[DATASET_WHY_SIZE]);
struct dataset_work *dataset_work_of(struct shell *s,
                                     uint64_t id); /* brought up to date; NULL: none */
/* The one that is under way for this dataset; NULL: none. */
struct dataset_work *dataset_work_on(struct shell *s, const struct hash_value *root);
void dataset_work_cancel(struct shell *s, struct dataset_work *w);
/* Now and then: what is pinned and not here whole is fetched, if the DHT knows who has it. */
void dataset_heal_tick(struct shell *s);
/* What shell_data says; true: it was ours. */
bool shell_dataset_ready(struct shell *s, uint64_t fetch, const struct input_facts *facts);
bool shell_dataset_failed(struct shell *s, uint64_t fetch, const struct input_failure *failure);
void shell_dataset_ended(void *userdata, const struct hash_value *root,
                         const struct fetch_report *reports, size_t n);

/* shell_dataset_announce.c */
int dataset_announce_start(struct shell *s);
void dataset_announce_stop(struct shell *s);
void dataset_announce_tick(struct shell *s);
void dataset_announce_look(struct shell *s, const struct hash_value *root); /* it has changed */
bool shell_dataset_search(void *userdata, const struct hash_value *root);

struct datasets {
        struct list works;
        uint64_t next_work;
        unsigned n_active;
        struct loop_source *verifying;
        nsec_t heal_at, heal_pause;
        struct hash_value healed; /* the last one that was tried: the next ones follow it */

        struct bus_client *records_bus;
        struct rpc_client *records_rpc;
        bool has_records;
        struct map *tellings; /* shell_dataset_announce.c */
        unsigned n_calls, n_searches;
};

/* shell_dataset_rpc.c: rows of the admin service, rpc.c has its table. */
#define DATASET_RPC(name, request, reply)                                                 \
        void admin_dataset_##name(Coordinator__Admin_Service *service, const request *in, \
                                  reply##_Closure closure, void *closure_data)
DATASET_RPC(list, Coordinator__DatasetListRequest, Coordinator__DatasetListReply);
DATASET_RPC(show, Coordinator__DatasetRef, Coordinator__DatasetShowReply);
DATASET_RPC(pin, Coordinator__DatasetPinRequest, Coordinator__DatasetInfo);
DATASET_RPC(unpin, Coordinator__DatasetRef, Coordinator__DatasetInfo);
DATASET_RPC(remove, Coordinator__DatasetRef, Coordinator__DatasetInfo);
DATASET_RPC(fetch, Coordinator__DatasetFetchRequest, Coordinator__DatasetWork);
DATASET_RPC(verify, Coordinator__DatasetRef, Coordinator__DatasetWork);
DATASET_RPC(progress, Coordinator__DatasetWork, Coordinator__DatasetProgressReply);
