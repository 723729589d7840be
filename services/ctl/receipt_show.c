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
#include "services/ctl/colour.h"
#include "services/ctl/file_kind.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"
#include "services/ctl/receipt_job.h"

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

/* Who counts as one with it, and how that is known: a fact that was only claimed may join voters,
 * never part them (query.md of the design, "Independence"). */
static void voter_json(const struct verdict_statement *v, bool *first) {
        json_key(stdout, "voter", first);
        json_text(stdout, v->voter_group);
        json_key(stdout, "facts", first);
        fputc('[', stdout);
        for (size_t i = 0; i < v->n_facts; i++) {
                bool first_of_fact = true;

                fputs(i ? ",{" : "{", stdout);
                json_key(stdout, "name", &first_of_fact);
                json_text(stdout, v->facts[i].name);
                json_key(stdout, "value", &first_of_fact);
                json_text(stdout, v->facts[i].value);
                json_member_bool(stdout, "measured", v->facts[i].measured, &first_of_fact);
                fputc('}', stdout);
        }
        fputc(']', stdout);
}

/* "itself", where the group or a fact is but the host's own name. */
static const char *group_text(struct bytes v, const char *host, char *ret, size_t size) {
        (void) text_escape(v, ret, size);
        return strncmp(ret, "peer:", 5) == 0 && strcmp(ret + 5, host) == 0 ? "itself" : ret;
}

/* What the group is named after is not said twice. */
static void voter_text(const struct verdict_statement *v, const char *host) {
        char shown[256], value[256];

        printf("           voter %s", group_text(v->voter_group, host, shown, sizeof(shown)));
        for (size_t i = 0; i < v->n_facts; i++) {
                bool is_group = bytes_equal(v->facts[i].value, v->voter_group);

                printf("%s %s%s%s (%s)", i ? "," : ":",
                       text_escape(v->facts[i].name, shown, sizeof(shown)), is_group ? "" : " ",
                       is_group ? "" : group_text(v->facts[i].value, host, value, sizeof(value)),
                       v->facts[i].measured ? "measured" : "claimed");
        }
        putchar('\n');
}

/* With its lines, as it was asked. */
static void sql_text(struct bytes sql) {
        char shown[2048];

        if (memchr(sql.data, '\n', sql.len)) {
                puts("sql");
                people_print(sql);
        } else {
                printf("sql        %s\n", text_escape(sql, shown, sizeof(shown)));
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
        if (receipt_verdict(r, i, &v)) {
                json_member_string(stdout, "verdict", verdict_name(v.verdict), &first);
                voter_json(&v, &first);
        }
        fputc('}', stdout);
}

/* What the command was given. */
struct checked {
        const struct command_context *ctx;
        const char *path, *rows_path; /* rows_path NULL: without */
        struct bytes file, rows;
};

static void report_json(const struct checked *c, const struct receipt_report *r, bool everything) {
        const char *state = result_state_name(r->state);
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "file", c->path, &first);
        json_member_string(stdout, "kind", file_kind_text(file_kind_of(c->file)), &first);
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
        if (everything && r->checks[RECEIPT_DESCRIPTOR].status == CHECK_PASSED)
                receipt_job_json(r, &first);
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

static void report_text(const struct command_context *ctx, const struct receipt_report *r) {
        const char *state = result_state_name(r->state) ? result_state_name(r->state) : "?";

        for (unsigned i = 0; i < _RECEIPT_CHECK_MAX; i++) {
                const char *status = status_name(r->checks[i].status);

                printf("  %-18s %s%-8s%s %s\n", receipt_check_name(i),
                       colour_begin(ctx, stdout, status), status, colour_end(ctx, stdout, status),
                       r->checks[i].detail);
        }
        if (r->valid)
                printf("valid: %s%s%s, %u equal answers of distinct voters (quorum %u, %u asked "
                       "for)\n",
                       colour_begin(ctx, stdout, state), state, colour_end(ctx, stdout, state),
                       r->agreement, r->quorum, r->replicas);
}

/* Says once more, on stderr, which check refused which file, and when it is of another kind
 * than was asked for, that. */
static int verdict(const struct checked *c, const struct receipt_report *r) {
        enum receipt_check check = receipt_first_failure(r);
        bool is_rows = check == RECEIPT_ROWS;
        enum file_kind wanted = is_rows ? FILE_ROWS : FILE_RECEIPT;
        enum file_kind kind = file_kind_of(is_rows ? c->rows : c->file);
        const char *path = is_rows ? c->rows_path : c->path;
        size_t at = 0;

        if (r->valid)
                return EXIT_OK;
        if (c->ctx->common.json)
                return EXIT_OTHER;
        if (file_kind_nearly(is_rows ? c->rows : c->file, wanted, &at))
                return complain(
                        c->ctx, EXIT_OTHER,
                        "%s: REFUSED by the check '%s': byte %zu, in the mark that %s begins "
                        "with, was changed; get another copy of it",
                        path, receipt_check_name(check), at, file_kind_text(wanted));
        if (kind == wanted)
                return complain(c->ctx, EXIT_OTHER, "%s: REFUSED by the check '%s': %s", path,
                                receipt_check_name(check), r->checks[check].detail);
        return complain(c->ctx, EXIT_OTHER, "%s: REFUSED by the check '%s': it is %s, not %s; %s",
                        path, receipt_check_name(check), file_kind_text(kind),
                        file_kind_text(wanted),
                        is_rows ? "`quorate query --save-rows FILE` makes one"
                                : "`quorate receipt list` names receipts");
}

static bool is_receipt(const struct checked *c) {
        size_t at;

        return file_kind_of(c->file) == FILE_RECEIPT ||
               file_kind_nearly(c->file, FILE_RECEIPT, &at);
}

static void verify_bytes(struct bytes receipt, struct bytes rows, struct receipt_report **ret) {
        *ret = xnew(struct receipt_report);
        receipt_verify(receipt, rows, *ret);
}

int receipt_verify_file(const struct command_context *ctx, const char *path, const char *rows) {
        CLEANUP(mapped_done) struct mapped receipt = {};
        CLEANUP(mapped_done) struct mapped rows_file = {};
        CLEANUP(freep) struct receipt_report *report = NULL;
        struct checked c;
        int code;

        code = map_file(ctx, path, &receipt);
        if (code == EXIT_OK && rows)
                code = map_file(ctx, rows, &rows_file);
        if (code)
                return code;
        if (rows && rows_file.bytes.len == 0) /* without any it would be taken for `without` */
                rows_file.bytes = BYTES("", 0);
        c = (struct checked){ ctx, path, rows, receipt.bytes, rows_file.bytes };
        verify_bytes(c.file, c.rows, &report);
        if (ctx->common.json)
                report_json(&c, report, false);
        else if (is_receipt(&c)) /* of anything else the one line says it all */
                report_text(ctx, report);
        if (report->valid && !ctx->common.json)
                puts("It proves what these keys signed. Whose they are, and that the hosts are\n"
                     "independent, is the asker's word; `quorate receipt show` names them.");
        return verdict(&c, report);
}

static void show_text(const struct command_context *ctx, const struct receipt_report *r) {
        char text[PEER_ID_TEXT_SIZE];
        struct verdict_statement v;

        if (r->checks[RECEIPT_DESCRIPTOR].status == CHECK_PASSED)
                receipt_job_text(r);
        sql_text(r->receipt.sql);
        for (size_t i = 0; i < r->receipt.n_hosts; i++) {
                const struct receipt_host *h = &r->receipt.hosts[i];
                struct peer_id id = peer_id_from_ed25519(&h->key);
                char answer[2 * HASH_SIZE + 1] = "no commit";
                bool is_judged = receipt_verdict(r, i, &v);

                if (h->commit.len)
                        hex_encode(hash_bytes(&h->answer.hash), answer);
                printf("host       %s\n           %.16s… %s %s\n", peer_id_text(&id, text), answer,
                       is_judged ? verdict_name(v.verdict) : "", h->counted ? "(counted)" : "");
                if (is_judged)
                        voter_text(&v, text);
        }
        report_text(ctx, r);
}

int receipt_show_file(const struct command_context *ctx, const char *path) {
        CLEANUP(mapped_done) struct mapped receipt = {};
        CLEANUP(freep) struct receipt_report *report = NULL;
        int code = map_file(ctx, path, &receipt);
        const struct checked c = { .ctx = ctx, .path = path, .file = receipt.bytes };

        if (code)
                return code;
        verify_bytes(c.file, BYTES_NONE, &report);
        if (ctx->common.json)
                report_json(&c, report, true);
        else if (report->checks[RECEIPT_FORMAT].status == CHECK_PASSED)
                show_text(ctx, report);
        else if (is_receipt(&c))
                report_text(ctx, report);
        return verdict(&c, report);
}
