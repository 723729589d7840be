#include "services/ctl/receipt_job.h"

#include <stdio.h>
#include <time.h>

#include "common/base/cleanup.h"
#include "common/base/text.h"
#include "common/canonical/schema.h"
#include "common/wire/peerid.h"
#include "services/ctl/json.h"

#define SHOWN_MAX 512 /* bytes of a name or a type */

/* "2026-01-31 12:00:00 UTC": a receipt is read anywhere. */
static const char *when(const struct descriptor *d, char ret[40]) {
        time_t t = (time_t) (d->time_us / 1000000);
        struct tm tm;

        ret[0] = 0;
        if (gmtime_r(&t, &tm))
                (void) strftime(ret, 40, "%F %T UTC", &tm);
        return ret;
}

static const char *dataset_root(const struct descriptor_dataset *x, char ret[2 * HASH_SIZE + 1]) {
        hex_encode(hash_bytes(&x->root), ret);
        return ret;
}

static void columns_text(const struct schema *s) {
        char name[SHOWN_MAX], type[SHOWN_MAX];

        for (size_t i = 0; i < s->n_columns; i++)
                printf("%-10s %s %s\n", i ? "" : "columns",
                       text_escape(s->columns[i]->name, name, sizeof(name)),
                       schema_type_text(s->columns[i], type, sizeof(type)));
}

void receipt_job_text(const struct receipt_report *r) {
        const struct descriptor *d = &r->descriptor;
        struct peer_id requester = peer_id_from_ed25519(&r->receipt.requester);
        char text[PEER_ID_TEXT_SIZE], shown[SHOWN_MAX], date[40], root[2 * HASH_SIZE + 1];
        CLEANUP(schema_freep) struct schema *schema = NULL;

        hex_encode(hash_bytes(&r->job), root);
        printf("job        %s\nasked      %s\nrequester  %s\n", root, when(d, date),
               peer_id_text(&requester, text));
        printf("network    %s, %s data\n", text_escape(d->network, shown, sizeof(shown)),
               data_class_name(d->data_class));
        printf("compared   %s%s\n", comparison_name(d->comparison),
               d->ordered ? ", rows in order" : ", rows as a set");
        for (size_t i = 0; i < d->n_classes; i++)
                printf("%-10s %s\n", i ? "" : "engine",
                       text_escape(d->classes[i], shown, sizeof(shown)));
        for (size_t i = 0; i < d->n_datasets; i++)
                printf("%-10s %s %s\n", i ? "" : "data",
                       text_escape(d->datasets[i].name, shown, sizeof(shown)),
                       dataset_root(&d->datasets[i], root));
        if (d->n_datasets == 0)
                puts("data       none");
        if (schema_decode(d->schema, &schema) == SCHEMA_OK)
                columns_text(schema);
}

static void datasets_json(const struct descriptor *d) {
        for (size_t i = 0; i < d->n_datasets; i++) {
                bool first = true;

                fputs(i ? ",{" : "{", stdout);
                json_key(stdout, "name", &first);
                json_text(stdout, d->datasets[i].name);
                json_key(stdout, "root", &first);
                json_hex(stdout, d->datasets[i].root.bytes, HASH_SIZE);
                fputc('}', stdout);
        }
}

static void columns_json(const struct schema *s) {
        char type[SHOWN_MAX];

        for (size_t i = 0; i < s->n_columns; i++) {
                bool first = true;

                fputs(i ? ",{" : "{", stdout);
                json_key(stdout, "name", &first);
                json_text(stdout, s->columns[i]->name);
                json_member_string(stdout, "type",
                                   schema_type_text(s->columns[i], type, sizeof(type)), &first);
                fputc('}', stdout);
        }
}

void receipt_job_json(const struct receipt_report *r, bool *first) {
        const struct descriptor *d = &r->descriptor;
        struct peer_id requester = peer_id_from_ed25519(&r->receipt.requester);
        CLEANUP(schema_freep) struct schema *schema = NULL;
        char text[PEER_ID_TEXT_SIZE];

        json_key(stdout, "time_us", first);
        printf("%lld", (long long) d->time_us);
        json_member_string(stdout, "requester", peer_id_text(&requester, text), first);
        json_key(stdout, "network", first);
        json_text(stdout, d->network);
        json_member_string(stdout, "data_class", data_class_name(d->data_class), first);
        json_member_string(stdout, "comparison", comparison_name(d->comparison), first);
        json_member_bool(stdout, "ordered", d->ordered, first);
        json_key(stdout, "engines", first);
        for (size_t i = 0; i < d->n_classes; i++) {
                fputc(i ? ',' : '[', stdout);
                json_text(stdout, d->classes[i]);
        }
        fputs(d->n_classes ? "]" : "[]", stdout);
        json_key(stdout, "datasets", first);
        fputc('[', stdout);
        datasets_json(d);
        fputc(']', stdout);
        json_key(stdout, "columns", first);
        fputc('[', stdout);
        if (schema_decode(d->schema, &schema) == SCHEMA_OK)
                columns_json(schema);
        fputc(']', stdout);
}
