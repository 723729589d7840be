/* The services of the coordinator: protobuf on one side, struct coordinator on
 * the other. One function per rpc. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/receipt.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "proto/coordinator.pb-c.h"
#include "proto/journal.pb-c.h"
#include "services/coordinator/shell_dataset.h"
#include "services/coordinator/shell_discovery.h"
#include "services/coordinator/shell_workers.h"

#define LIST_DEFAULT      20
#define LIST_MAX          200
#define LIST_SQL_MAX      1024         /* bytes: a reply on the bus is at most 1 MiB */
#define RECEIPT_REPLY_MAX (900u << 10) /* a reply on the bus is at most 1 MiB */
#define STRINGS_MAX       32

enum { ADMIN_E_NONE = 1, ADMIN_E_TOO_BIG = 2 };

static struct shell *shell_of(void *service) {
        return ((struct coordinator_service *) service)->shell;
}

static uint64_t pend(struct shell *s, struct call *call, const ProtobufCMessageDescriptor *output) {
        struct pending_call *p = xnew(struct pending_call);
        uint64_t id = ++s->next_number;

        p->call = call;
        p->output = output;
        map_set_u64(s->calls, id, p);
        return id;
}

/* ---- Query ---- */

static void query_submit(Coordinator__Query_Service *service, const Coordinator__SubmitRequest *in,
                         Coordinator__SubmitReply_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct entropy entropy;
        uint64_t id;

        if (getrandom(&entropy, sizeof(entropy), 0) != sizeof(entropy)) {
                call_fail(call, -EIO, "no random numbers");
                return;
        }
        id = pend(s, call, &coordinator__submit_reply__descriptor);
        s->counters.submits++;
        coordinator_submit(s->core, id, in, &entropy, shell_now(s));
        shell_turn(s);
}

static void query_cancel(Coordinator__Query_Service *service, const Coordinator__JobRef *in,
                         Types__Empty_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Types__Empty reply = TYPES__EMPTY__INIT;

        if (coordinator_cancel(s->core, BYTES(in->job.data, in->job.len), shell_now(s)))
                call_reply(call, &reply);
        else
                call_fail(call, ADMIN_E_NONE, "no such job is running; see `quorate job list`");
        shell_turn(s);
}

static void query_explain(Coordinator__Query_Service *service, const Coordinator__SubmitRequest *in,
                          Coordinator__ExplainReply_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);

        coordinator_explain(s->core, pend(s, call, &coordinator__explain_reply__descriptor), in,
                            shell_now(s));
        shell_turn(s);
}

/* ---- Admin ---- */

struct metric_list {
        struct call *call;
        Types__Metric **items;
        size_t n, max;
};

static void add_metric(void *userdata, const char *name, const struct metric *metric,
                       uint64_t value) {
        struct metric_list *l = userdata;
        Types__Metric *m;

        if (l->n == l->max)
                return;
        m = call_alloc(l->call, sizeof(*m));
        types__metric__init(m);
        m->name = call_alloc(l->call, strlen(name) + 1);
        strcpy(m->name, name);
        m->value = (double) value;
        l->items[l->n++] = m;
}

static void admin_status(Coordinator__Admin_Service *service, const Types__Empty *in,
                         Coordinator__AdminStatus_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        const char *engines[STRINGS_MAX], *notes[STRINGS_MAX];
        Coordinator__AdminStatus out = COORDINATOR__ADMIN_STATUS__INIT;
        Types__Metric *items[128];
        struct metric_list metrics = { call, items, 0, ELEMENTSOF(items) };
        struct buffer jobs;
        uint32_t own;

        out.peer = (ProtobufCBinaryData){ s->self.len, s->self.bytes };
        out.paused = s->is_paused;
        out.slots = shell_slots(s, &out.slots_busy, &out.workers);
        out.candidates = (uint32_t) s->gauges.candidates;
        buffer_init(&jobs, 1u << 20);
        out.jobs_own = (uint32_t) coordinator_jobs(s->core, &jobs, SIZE_MAX);
        buffer_done(&jobs);
        coordinator_busy(s->core, &own, &out.jobs_served);
        out.engines = (char **) engines;
        out.n_engines = shell_engines(s, engines, STRINGS_MAX);
        out.notes = (char **) notes;
        out.n_notes = shell_worker_notes(s, notes, STRINGS_MAX);
        shell_datasets_tick(s);
        metrics_each(s->ctx->metrics, add_metric, &metrics);
        out.metrics = items;
        out.n_metrics = metrics.n;
        out.cache_bytes = store_used(s->store);
        out.cache_quota = store_quota(s->store);
        call_reply(call, &out);
}

static void admin_pause(Coordinator__Admin_Service *service, const Coordinator__PauseRequest *in,
                        Types__Empty_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        Types__Empty reply = TYPES__EMPTY__INIT;

        s->is_paused = true;
        coordinator_pause(s->core, in->drain_ms * NSEC_PER_MSEC, shell_now(s));
        closure(&reply, closure_data);
        shell_turn(s);
}

static void admin_resume(Coordinator__Admin_Service *service, const Types__Empty *in,
                         Types__Empty_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        Types__Empty reply = TYPES__EMPTY__INIT;

        s->is_paused = false;
        coordinator_resume(s->core, shell_now(s));
        closure(&reply, closure_data);
        shell_turn(s);
}

/* Unpacked summaries; everything lives until the list is done. */
struct job_list {
        struct unpacked unpacked[2 * LIST_MAX];
        Coordinator__JobSummary *items[2 * LIST_MAX], served[2 * LIST_MAX];
        size_t n, max; /* max: of what is taken next */
};

static size_t shown_sql(struct bytes sql) {
        return utf8_valid_prefix(BYTES(sql.data, sql.len < LIST_SQL_MAX ? sql.len : LIST_SQL_MAX));
}

static int add_job(void *userdata, enum journal_kind kind, struct bytes data) {
        struct job_list *l = userdata;

        if (l->n < l->max &&
            !wire_unpack(&coordinator__job_summary__descriptor, data, NULL, &l->unpacked[l->n])) {
                Coordinator__JobSummary *j = l->unpacked[l->n].message;

                if (*j->sql)
                        j->sql[shown_sql(BYTES_STR(j->sql))] = 0;
                l->items[l->n++] = j;
        }
        return 0;
}

static void job_list_done(struct job_list *l) {
        for (size_t i = 0; i < l->n; i++)
                unpacked_done(&l->unpacked[i]);
        free(l);
}

static size_t list_limit(uint32_t asked) {
        size_t n = asked ? asked : LIST_DEFAULT;

        return n < LIST_MAX ? n : LIST_MAX;
}

/* Frames of packed JobSummary each. */
static void add_running(struct shell *s, struct job_list *l) {
        struct frame_reader frames;
        struct buffer packed;
        struct bytes in, frame;

        buffer_init(&packed, 4u << 20);
        (void) coordinator_jobs(s->core, &packed, l->max);
        in = buffer_bytes(&packed);
        frame_reader_init(&frames, 4u << 20);
        while (frame_reader_next(&frames, &in, &frame) == FRAME_OK)
                (void) add_job(l, JOURNAL_NONE, frame);
        frame_reader_done(&frames);
        buffer_done(&packed);
}

/* Of a full list: what else there is. */
static uint64_t count_more(struct shell *s, const struct job_list *l, bool served) {
        struct buffer running;
        uint64_t n;

        if (l->n < l->max)
                return 0;
        if (served) {
                n = coordinator_records(s->core); /* the journal has some of them twice */
        } else {
                buffer_init(&running, 4u << 20);
                n = coordinator_jobs(s->core, &running, SIZE_MAX) +
                    journal_file_count(s->journal, JOURNAL_ENDED);
                buffer_done(&running);
        }
        return n > l->max ? n - l->max : 0;
}

/* What this host signed for others, from its own records: of each job the run, and the run that
 * checked it once more. */
static int add_served(void *userdata, enum journal_kind kind, struct bytes data) {
        static char committed[] = "committed", again[] = "re-checked", open[] = "not signed";
        struct job_list *l = userdata;
        struct unpacked *u = &l->unpacked[l->n];
        const Journal__HostRecord *in;
        Coordinator__JobSummary *out;

        if (l->n == l->max || wire_unpack(&journal__host_record__descriptor, data, NULL, u))
                return 0;
        in = u->message;
        if (in->requester.len == 0) {
                unpacked_done(u);
                return 0;
        }
        out = l->items[l->n] = &l->served[l->n];
        l->n++;
        coordinator__job_summary__init(out);
        out->job = in->job;
        out->requester = in->requester;
        out->started_us = in->job_time_us ? in->job_time_us : in->time_us;
        out->served = true;
        out->state = !in->commit.len ? open : in->run > 0 ? again : committed;
        return 0;
}

/* By when they began, the last one first; of equal ones as they came. */
static void sort_jobs(struct job_list *l) {
        for (size_t i = 1; i < l->n; i++) {
                Coordinator__JobSummary *job = l->items[i];
                size_t k = i;

                for (; k > 0 && l->items[k - 1]->started_us < job->started_us; k--)
                        l->items[k] = l->items[k - 1];
                l->items[k] = job;
        }
}

/* Those that run are never left out for one that has ended. */
static void fill_own(struct shell *s, struct job_list *l) {
        add_running(s, l);
        (void) journal_file_latest(s->journal, JOURNAL_ENDED, l->max - l->n, add_job, l);
        sort_jobs(l);
}

static void fill_served(struct shell *s, struct job_list *l) {
        size_t max = l->max;

        (void) journal_file_latest_jobs(s->journal, JOURNAL_HOST, max, add_served, l);
        l->max = l->n + max;
        (void) journal_file_latest_jobs(s->journal, JOURNAL_RECHECK, max, add_served, l);
        sort_jobs(l);
        l->max = max;
}

static void admin_job_list(Coordinator__Admin_Service *service,
                           const Coordinator__JobListRequest *in,
                           Coordinator__JobListReply_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Coordinator__JobListReply out = COORDINATOR__JOB_LIST_REPLY__INIT;
        struct job_list *l = xnew(struct job_list);

        l->max = list_limit(in->limit);
        (in->served ? fill_served : fill_own)(s, l);
        out.jobs = l->items;
        out.n_jobs = l->n < l->max ? l->n : l->max;
        out.more = count_more(s, l, in->served);
        call_reply(call, &out);
        job_list_done(l);
}

/* ---- One host ---- */

static void admin_peer(Coordinator__Admin_Service *service, const Coordinator__PeerRef *in,
                       Coordinator__PeerReply_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Coordinator__PeerReply out = COORDINATOR__PEER_REPLY__INIT;
        struct candidate c;
        struct peer_id peer;
        bool known;

        if (!peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer)) {
                call_fail(call, ADMIN_E_NONE, "not a peer id");
                return;
        }
        out.denied = coordinator_is_denied(s->core, &peer);
        out.trust = coordinator_trust(s->core, &peer, shell_now(s), &known);
        out.known = known;
        if (shell_candidate_of(s, &peer, &c)) {
                out.origin = (char *) candidate_origin_name(c.origin);
                out.has_claims = c.claims.is_known;
                out.free_slots = c.claims.free_slots;
        }
        call_reply(call, &out);
}

/* ---- Receipts ---- */

static int read_receipt(struct shell *s, const char *name, struct buffer *ret) {
        CLEANUP(freep) char *path = xasprintf("%s/%s", s->receipts_path, name);
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        uint8_t *p;

        buffer_init(ret, RECEIPT_BYTES_MAX);
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
                return -ENOENT;
        p = buffer_reserve(ret, (size_t) st.st_size);
        if (!p || read(fd, p, (size_t) st.st_size) != st.st_size)
                return -EIO;
        ret->len = (size_t) st.st_size;
        return 0;
}

static void admin_receipt_get(Coordinator__Admin_Service *service, const Coordinator__JobRef *in,
                              Coordinator__ReceiptGetReply_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Coordinator__ReceiptGetReply out = COORDINATOR__RECEIPT_GET_REPLY__INIT;
        CLEANUP(buffer_donep) struct buffer receipt = {};
        CLEANUP(freep) char *path = NULL;
        char hex[2 * HASH_SIZE + 1], name[2 * HASH_SIZE + 16];

        if (in->job.len != HASH_SIZE) {
                call_fail(call, ADMIN_E_NONE, "a job id has 64 hexadecimal digits");
                return;
        }
        hex_encode(BYTES(in->job.data, in->job.len), hex);
        snprintf(name, sizeof(name), "%s.receipt", hex);
        path = xasprintf("%s/%s", s->receipts_path, name);
        if (read_receipt(s, name, &receipt)) {
                call_fail(call, ADMIN_E_NONE, "no receipt %s; see `quorate receipt list`", path);
                return;
        }
        if (receipt.len > RECEIPT_REPLY_MAX) {
                call_fail(call, ADMIN_E_TOO_BIG, "the receipt is large; read it from %s", path);
                return;
        }
        out.path = path;
        out.receipt = (ProtobufCBinaryData){ receipt.len, receipt.data };
        call_reply(call, &out);
}

struct receipt_entry {
        int64_t time_us;
        char name[2 * HASH_SIZE + 16];
};

static int newest_first(const void *a, const void *b) {
        const struct receipt_entry *x = a, *y = b;

        return x->time_us < y->time_us ? 1 : x->time_us > y->time_us ? -1 : 0;
}

static size_t find_receipts(struct shell *s, struct receipt_entry **ret) {
        DIR *dir = opendir(s->receipts_path);
        size_t n = 0, capacity = 0;
        struct dirent *e;
        struct stat st;

        *ret = NULL;
        while (dir && (e = readdir(dir))) {
                if (strlen(e->d_name) != 2 * HASH_SIZE + strlen(".receipt") ||
                    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (n == capacity) {
                        capacity = capacity ? 2 * capacity : 64;
                        *ret = xrealloc(*ret, capacity * sizeof(**ret));
                }
                (*ret)[n].time_us =
                        (int64_t) st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
                strcpy((*ret)[n++].name, e->d_name);
        }
        if (dir)
                closedir(dir);
        if (n > 0)
                qsort(*ret, n, sizeof(**ret), newest_first);
        return n;
}

static char *copy_text(struct call *call, struct bytes v) {
        char *p = call_alloc(call, v.len + 1);

        memcpy(p, v.data, v.len);
        p[v.len] = 0;
        return p;
}

/* What the receipt itself says; one that does not verify is listed as that. */
static void fill_receipt(struct shell *s, struct call *call, const struct receipt_entry *e,
                         Coordinator__ReceiptSummary *out) {
        CLEANUP(freep) struct receipt_report *report = xnew(struct receipt_report);
        CLEANUP(buffer_donep) struct buffer file = {};
        uint8_t *job = call_alloc(call, HASH_SIZE);
        CLEANUP(freep) char *path = xasprintf("%s/%s", s->receipts_path, e->name);

        coordinator__receipt_summary__init(out);
        out->path = copy_text(call, BYTES_STR(path));
        out->time_us = e->time_us;
        out->state = (char *) "damaged";
        if (read_receipt(s, e->name, &file))
                return;
        receipt_verify(buffer_bytes(&file), BYTES_NONE, report);
        if (!report->valid)
                return;
        memcpy(job, report->job.bytes, HASH_SIZE);
        out->job = (ProtobufCBinaryData){ HASH_SIZE, job };
        out->state = (char *) result_state_name(report->state);
        out->agreement = report->agreement;
        out->quorum = report->quorum;
        out->rows = report->answer ? report->answer->rows : 0;
        out->sql = copy_text(call, BYTES(report->receipt.sql.data, shown_sql(report->receipt.sql)));
}

static void admin_receipt_list(Coordinator__Admin_Service *service,
                               const Coordinator__JobListRequest *in,
                               Coordinator__ReceiptListReply_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Coordinator__ReceiptListReply out = COORDINATOR__RECEIPT_LIST_REPLY__INIT;
        CLEANUP(freep) struct receipt_entry *entries = NULL;
        size_t n = find_receipts(s, &entries), max = list_limit(in->limit);

        out.more = n > max ? n - max : 0;
        n = n < max ? n : max;
        out.receipts = call_alloc(call, (n + 1) * sizeof(*out.receipts));
        for (size_t i = 0; i < n; i++) {
                out.receipts[i] = call_alloc(call, sizeof(**out.receipts));
                fill_receipt(s, call, &entries[i], out.receipts[i]);
        }
        out.n_receipts = n;
        call_reply(call, &out);
}

/* ---- Jobs ---- */

static void jobs_enlist(Coordinator__Jobs_Service *service, const Coordinator__WorkerHello *in,
                        Coordinator__WorkerWelcome_Closure closure, void *closure_data) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Coordinator__WorkerWelcome reply = COORDINATOR__WORKER_WELCOME__INIT;
        struct worker_facts facts = { .name = in->name,
                                      .engines = in->engines,
                                      .n_engines = in->n_engines,
                                      .slots = in->slots,
                                      .memory = in->memory,
                                      .missing = in->missing_layers,
                                      .n_missing = in->n_missing_layers,
                                      .problems = in->problems,
                                      .n_problems = in->n_problems };
        struct link *link = call_link(call);

        reply.datasets = s->cache_path;
        call_reply(call, &reply);
        if (link)
                shell_worker_enlist(s, link, &facts);
}

/* A method added to coordinator.proto without a handler here does not compile. */
static const Coordinator__Query_Service query_service = COORDINATOR__QUERY__INIT(query_);
static const Coordinator__Admin_Service admin_service = COORDINATOR__ADMIN__INIT(admin_);
static const Coordinator__Jobs_Service jobs_service = COORDINATOR__JOBS__INIT(jobs_);

void rpc_services_init(struct shell *s, struct coordinator_service ret[3]) {
        ret[0].query = query_service;
        ret[1].admin = admin_service;
        ret[2].jobs = jobs_service;
        for (size_t i = 0; i < 3; i++)
                ret[i].shell = s;
}
