#include "services/ctl/receipt_show.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "common/canonical/receipt.h"
#include "common/wire/peerid.h"
#include "services/ctl/json.h"

struct mapped {
        struct bytes bytes;
};

static void mapped_done(struct mapped *m) {
        if (m->bytes.len > 0)
                (void) munmap((void *) m->bytes.data, m->bytes.len);
}

static int map_file(const struct command_context *ctx, const char *path, struct mapped *ret) {
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        void *p;

        ret->bytes = BYTES_NONE;
        if (fd < 0 || fstat(fd, &st) < 0)
                return complain(ctx, EXIT_USAGE, "%s: %s; `quorate receipt list` names receipts",
                                path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return complain(ctx, EXIT_USAGE,
                                "%s: not a file; `quorate receipt list` names receipts", path);
        if (st.st_size == 0)
                return EXIT_OK;
        p = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
                return complain(ctx, EXIT_USAGE, "%s: %s; `quorate receipt list` names receipts",
                                path, strerror(errno));
        ret->bytes = BYTES(p, st.st_size);
        return EXIT_OK;
}

static const char *status_name(enum check_status s) {
        return s == CHECK_PASSED ? "ok" : s == CHECK_FAILED ? "FAILED" : "skipped";
}

static void checks_json(const struct receipt_report *r) {
        for (unsigned i = 0; i < _RECEIPT_CHECK_MAX; i++) {
                bool first = true;

                fputs(i ? ",{" : "{", stdout);
                json_member_string(stdout, "check", receipt_check_name(i), &first);
                json_member_string(stdout, "status", status_name(r->checks[i].status), &first);
                json_member_string(stdout, "detail", r->checks[i].detail, &first);
                fputc('}', stdout);
        }
}

static void host_json(const struct receipt_report *r, size_t i) {
        const struct receipt_host *h = &r->receipt.hosts[i];
        struct peer_id id = peer_id_from_ed25519(&h->key);
        char text[PEER_ID_TEXT_SIZE];
        struct verdict_statement v;
        bool first = true;

        fputs(i ? ",{" : "{", stdout);
        json_member_string(stdout, "peer", peer_id_text(&id, text), &first);
        json_member_bool(stdout, "counted", h->counted, &first);
        json_key(stdout, "answer", &first);
        json_hex(stdout, h->answer.hash.bytes, h->commit.len ? HASH_SIZE : 0);
        if (receipt_verdict(r, i, &v))
                json_member_string(stdout, "verdict", verdict_name(v.verdict), &first);
        fputc('}', stdout);
}

static void report_json(const char *path, const struct receipt_report *r, bool everything) {
        const char *state = result_state_name(r->state);
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "file", path, &first);
        json_member_bool(stdout, "valid", r->valid, &first);
        json_member_string(stdout, "state", state ? state : "", &first);
        json_member_u64(stdout, "agreement", r->agreement, &first);
        json_member_u64(stdout, "quorum", r->quorum, &first);
        json_member_u64(stdout, "replicas", r->replicas, &first);
        json_key(stdout, "job", &first);
        json_hex(stdout, r->job.bytes, HASH_SIZE);
        json_key(stdout, "answer", &first);
        json_hex(stdout, r->answer ? r->answer->hash.bytes : NULL, r->answer ? HASH_SIZE : 0);
        json_member_u64(stdout, "rows", r->answer ? r->answer->rows : 0, &first);
        json_key(stdout, "checks", &first);
        fputc('[', stdout);
        checks_json(r);
        fputc(']', stdout);
        if (everything) {
                json_key(stdout, "sql", &first);
                json_text(stdout, r->receipt.sql);
                json_key(stdout, "hosts", &first);
                fputc('[', stdout);
                for (size_t i = 0; i < r->receipt.n_hosts; i++)
                        host_json(r, i);
                fputc(']', stdout);
        }
        fputs("}\n", stdout);
}

static void report_text(const struct receipt_report *r) {
        const char *state = result_state_name(r->state);

        for (unsigned i = 0; i < _RECEIPT_CHECK_MAX; i++)
                printf("  %-18s %-8s %s\n", receipt_check_name(i), status_name(r->checks[i].status),
                       r->checks[i].detail);
        if (r->valid)
                printf("valid: %s, %u equal answers of distinct voters (quorum %u of %u)\n",
                       state ? state : "?", r->agreement, r->quorum, r->replicas);
}

/* Says once more, on stderr, which check refused it. */
static int verdict(const struct command_context *ctx, const char *path,
                   const struct receipt_report *r) {
        enum receipt_check c = receipt_first_failure(r);

        if (r->valid)
                return EXIT_OK;
        if (ctx->common.json)
                return EXIT_OTHER;
        return complain(ctx, EXIT_OTHER, "%s: REFUSED by the check '%s': %s", path,
                        receipt_check_name(c), r->checks[c].detail);
}

static void verify_bytes(struct bytes receipt, struct bytes rows, struct receipt_report **ret) {
        *ret = xnew(struct receipt_report);
        receipt_verify(receipt, rows, *ret);
}

int receipt_verify_file(const struct command_context *ctx, const char *path, const char *rows) {
        CLEANUP(mapped_done) struct mapped receipt = {};
        CLEANUP(mapped_done) struct mapped rows_file = {};
        CLEANUP(freep) struct receipt_report *report = NULL;
        int code;

        code = map_file(ctx, path, &receipt);
        if (code == EXIT_OK && rows)
                code = map_file(ctx, rows, &rows_file);
        if (code)
                return code;
        if (rows && rows_file.bytes.len == 0)
                return complain(ctx, EXIT_OTHER, "%s: empty, not a rows file", rows);
        verify_bytes(receipt.bytes, rows_file.bytes, &report);
        if (ctx->common.json)
                report_json(path, report, false);
        else
                report_text(report);
        return verdict(ctx, path, report);
}

static void show_text(const struct receipt_report *r) {
        char sql[2048], text[PEER_ID_TEXT_SIZE];
        struct peer_id requester = peer_id_from_ed25519(&r->receipt.requester);
        struct verdict_statement v;

        printf("requester  %s\nsql        %s\n", peer_id_text(&requester, text),
               text_escape(r->receipt.sql, sql, sizeof(sql)));
        for (size_t i = 0; i < r->receipt.n_hosts; i++) {
                const struct receipt_host *h = &r->receipt.hosts[i];
                struct peer_id id = peer_id_from_ed25519(&h->key);
                char answer[2 * HASH_SIZE + 1] = "no commit";

                if (h->commit.len)
                        hex_encode(hash_bytes(&h->answer.hash), answer);
                printf("host       %s\n           %.16s… %s %s\n", peer_id_text(&id, text), answer,
                       receipt_verdict(r, i, &v) ? verdict_name(v.verdict) : "",
                       h->counted ? "(counted)" : "");
        }
        report_text(r);
}

int receipt_show_file(const struct command_context *ctx, const char *path) {
        CLEANUP(mapped_done) struct mapped receipt = {};
        CLEANUP(freep) struct receipt_report *report = NULL;
        int code = map_file(ctx, path, &receipt);

        if (code)
                return code;
        verify_bytes(receipt.bytes, BYTES_NONE, &report);
        if (ctx->common.json)
                report_json(path, report, true);
        else if (report->checks[RECEIPT_FORMAT].status == CHECK_PASSED)
                show_text(report);
        else
                report_text(report);
        return verdict(ctx, path, report);
}
