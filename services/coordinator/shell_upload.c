#include "services/coordinator/shell_describe.h"

#include <errno.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/daemon/log.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"

#define UPLOADS_MAX 16
#define NOTES_MAX   16 /* names of columns are at most 255 bytes */
#define ANSWER_MAX  (16u << 10)

/* What an executor has to say of a file before its manifest is written. Of SQLite files
 * nothing: their first analysis opens them. */
static const struct format {
        const char *name;
        bool is_described;
        const char *engine; /* what its class begins with; "": any reads it */
} formats[] = {
        { "sqlite", false, "" },
        { "csv", true, "" },
        { "ndjson", true, "" },
        { "parquet", true, "duckdb" },
};

/* A dataset of a client: bytes into the store, described, then pinned until the client's
 * connection ends, so that it is still there when the query names it. */
struct uploading {
        struct shell *shell;
        struct list in_shell;
        struct link *link; /* whose pin it is */
        struct channel *channel;
        struct upload *upload; /* NULL once finished */
        const struct format *format;
        struct description *description; /* under way; NULL else */
        uint64_t length, rows;           /* rows: 0: not counted */
        struct hash_value root;
        bool is_pinned;
};

static void uploading_free(struct uploading *u) {
        if (u->is_pinned)
                store_unpin(u->shell->store, &u->root);
        description_free(u->description);
        upload_free(u->upload);
        list_remove(&u->in_shell);
        free(u);
}

static void answer(struct uploading *u, const Types__Problem *problem,
                   const Worker__Described *described) {
        Coordinator__UploadDone done = COORDINATOR__UPLOAD_DONE__INIT;
        struct buffer packed, framed;

        done.length = u->length;
        if (problem)
                done.problem = (Types__Problem *) problem;
        else
                done.root = (ProtobufCBinaryData){ HASH_SIZE, u->root.bytes };
        if (described && !problem) {
                done.notes = described->notes;
                done.n_notes = described->n_notes < NOTES_MAX ? described->n_notes : NOTES_MAX;
        }
        buffer_init(&packed, ANSWER_MAX);
        buffer_init(&framed, ANSWER_MAX);
        wire_pack(&packed, &done.base);
        frame_put(&framed, buffer_bytes(&packed));
        if (channel_send(u->channel, buffer_bytes(&framed)) == CHANNEL_OK)
                (void) channel_finish(u->channel);
        buffer_done(&packed);
        buffer_done(&framed);
}

static void refuse(struct uploading *u, int result) {
        static const struct {
                int result;
                unsigned code;
                const char *detail, *text;
        } rows[] = {
                { STORE_E_QUOTA, OUTCOME_LIMIT, "which=data",
                  "the dataset cache is full of data in use; raise [coordinator] cache-size" },
                { STORE_E_DISK, OUTCOME_LIMIT, "which=disk", "the node's disk is full; make room" },
                { STORE_E_LENGTH, OUTCOME_MISMATCH, "field=length",
                  "more or fewer bytes came than were announced" },
                { STORE_E_SCHEMA, OUTCOME_REFUSED, "rule=schema size",
                  "its schema is too long to be published; give it fewer or shorter names" },
        };
        Types__Problem p = TYPES__PROBLEM__INIT;

        p.code = OUTCOME_INTERNAL;
        p.detail = (char *) "";
        p.text = (char *) "the node cannot keep the dataset; see its log";
        p.position = -1;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (rows[i].result == result) {
                        p.code = rows[i].code;
                        p.detail = (char *) rows[i].detail;
                        p.text = (char *) rows[i].text;
                }
        u->upload = upload_free(u->upload);
        answer(u, &p, NULL);
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct uploading *u = userdata;
        int r;

        channel_consumed(c, 1);
        if (!u->upload)
                return;
        r = upload_write(u->upload, data);
        if (r)
                refuse(u, r);
}

static void finish(struct uploading *u, const Worker__Described *described) {
        int r = upload_finish(u->upload, &u->root);

        if (r) {
                refuse(u, r);
                return;
        }
        u->upload = upload_free(u->upload);
        u->is_pinned = true;
        u->shell->counters.uploads++;
        if (u->rows > 0) {
                coordinator_rows(u->shell->core, &u->root, u->rows);
                shell_turn(u->shell);
        }
        u->shell->gauges.cache_bytes = store_used(u->shell->store);
        answer(u, NULL, described);
}

static void on_described(void *userdata, const Worker__Described *described,
                         const Types__Problem *problem) {
        struct uploading *u = userdata;

        u->rows = described ? described->rows : 0;
        if (described)
                upload_describe(u->upload, BYTES(described->options.data, described->options.len),
                                BYTES(described->schema.data, described->schema.len));
        u->description = description_free(u->description);
        if (described) {
                finish(u, described);
                return;
        }
        u->upload = upload_free(u->upload);
        answer(u, problem, NULL);
}

static void on_finish(struct channel *c, void *userdata) {
        struct uploading *u = userdata;
        struct description_of of;
        int r;

        if (!u->upload || u->description)
                return;
        if (!u->format->is_described) {
                finish(u, NULL);
                return;
        }
        r = upload_complete(u->upload);
        if (r) {
                refuse(u, r);
                return;
        }
        of = (struct description_of){ .format = u->format->name,
                                      .engine = u->format->engine,
                                      .path = upload_name(u->upload),
                                      .length = u->length };
        u->description = description_new(u->shell, &of, on_described, u);
        if (!u->description)
                refuse(u, error_origin(-ENOMEM));
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct uploading *u = userdata;

        u->channel = NULL;
        if (!u->is_pinned || !u->link)
                uploading_free(u);
}

static const struct channel_handler handler = { .on_data = on_data,
                                                .on_finish = on_finish,
                                                .on_end = on_end };

static bool has_room(struct shell *s) {
        size_t n = 0;

        LIST_FOREACH (l, &s->uploads)
                n += LIST_ENTRY(l, struct uploading, in_shell)->channel != NULL;
        return n < UPLOADS_MAX;
}

static const struct format *format_of(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(formats); i++)
                if (strcmp(formats[i].name, name) == 0)
                        return &formats[i];
        return NULL;
}

static int begin(struct uploading *u, const Coordinator__UploadOpen *in) {
        static const uint8_t no_secret[DATA_SALT_SIZE];

        u->format = format_of(in->format);
        u->length = in->length;
        return upload_begin(u->shell->store, BYTES_STR(in->format), in->length,
                            in->is_public ? no_secret : u->shell->upload_secret, &u->upload);
}

void shell_upload_open(struct shell *s, struct channel *c, struct bytes metadata) {
        CLEANUP(unpacked_donep) struct unpacked m = {};
        struct uploading *u;
        int r;

        if (wire_unpack(&coordinator__upload_open__descriptor, metadata, NULL, &m)) {
                channel_reset(c, RPC_E_MALFORMED, "not an UploadOpen");
                return;
        }
        if (!format_of(((const Coordinator__UploadOpen *) m.message)->format)) {
                channel_reset(c, RPC_E_MALFORMED, "a format that this node does not know");
                return;
        }
        if (!has_room(s)) {
                channel_reset(c, RPC_E_BUSY, "too many uploads at a time; try again later");
                return;
        }
        u = xnew(struct uploading);
        u->shell = s;
        u->link = channel_link(c);
        u->channel = c;
        list_push_back(&s->uploads, &u->in_shell);
        if (channel_accept(c, BYTES_NONE, &handler, u) != CHANNEL_OK) {
                uploading_free(u);
                return;
        }
        r = begin(u, m.message);
        if (r)
                refuse(u, r);
}

void shell_uploads_gone(struct shell *s, const struct link *link) {
        LIST_FOREACH_SAFE (l, &s->uploads) {
                struct uploading *u = LIST_ENTRY(l, struct uploading, in_shell);

                if (u->link == link && !u->channel)
                        uploading_free(u);
                else if (u->link == link)
                        u->link = NULL;
        }
}

void shell_uploads_stop(struct shell *s) {
        LIST_FOREACH_SAFE (l, &s->uploads) {
                struct uploading *u = LIST_ENTRY(l, struct uploading, in_shell);

                if (u->channel)
                        channel_reset(u->channel, RPC_E_GONE, "coordinator is stopping");
                uploading_free(u);
        }
}
