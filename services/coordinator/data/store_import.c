/* What this node's imports made of datasets, one small file for each of those:
 *   u8 version (1), 32-byte root of what was made, prefixed import version (derived.h) */

#include <fcntl.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/varint.h"
#include "services/coordinator/data/derived.h"
#include "services/coordinator/data/store_files.h"

#define FILE_VERSION 1

struct import_note {
        struct hash_value made;
        char version[IMPORT_VERSION_MAX + 1];
};

static void forget(struct store *s, const struct hash_value *source) {
        char name[STORE_NAME_SIZE];

        (void) unlinkat(s->dir_fd, file_name(source, "import", name), 0);
        free(map_remove(s->imports, hash_bytes(source)));
}

static bool take_version(struct import_note *n, struct bytes version) {
        if (version.len > IMPORT_VERSION_MAX)
                return false;
        memcpy(n->version, version.data, version.len);
        n->version[version.len] = 0;
        return import_version_class(n->version);
}

static bool read_import(const struct store *s, const char *name, struct import_note *ret) {
        CLEANUP(fd_closep) int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        uint8_t bytes[1 + HASH_SIZE + VARINT_SIZE_MAX + IMPORT_VERSION_MAX];
        ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
        struct reader r;

        if (n < 0)
                return false;
        r = reader_of(BYTES(bytes, (size_t) n));
        if (reader_u8(&r) != FILE_VERSION)
                return false;
        reader_copy(&r, ret->made.bytes, HASH_SIZE);
        return take_version(ret, reader_prefixed(&r)) && reader_done(&r);
}

void store_scan_import(struct store *s, const struct hash_value *source) {
        struct import_note note;
        char name[STORE_NAME_SIZE];

        if (read_import(s, file_name(source, "import", name), &note))
                free(map_set(s->imports, hash_bytes(source), xmemdup(&note, sizeof(note))));
        else
                (void) unlinkat(s->dir_fd, name, 0);
}

void store_forget_imports(struct store *s, const struct hash_value *made) {
        CLEANUP(freep)
        struct hash_value *gone = xnew_n(struct hash_value, map_count(s->imports) + 1);
        size_t n = 0, cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(s->imports, &cursor, &key, &value)) {
                const struct import_note *note = value;

                if (made ? hash_equal(&note->made, made) : !store_has(s, &note->made))
                        memcpy(gone[n++].bytes, key.data, HASH_SIZE);
        }
        for (size_t i = 0; i < n; i++)
                forget(s, &gone[i]);
}

static const struct import_note *note_of(const struct store *s, const struct hash_value *source) {
        const struct import_note *note = map_get(s->imports, hash_bytes(source));

        return note && store_has(s, &note->made) ? note : NULL;
}

bool store_import_of(const struct store *s, const struct hash_value *source,
                     struct hash_value *ret) {
        const struct import_note *note = note_of(s, source);

        if (note)
                *ret = note->made;
        return note;
}

const char *store_import_class(const struct store *s, const struct hash_value *source) {
        const struct import_note *note = note_of(s, source);

        return note ? import_version_class(note->version) : NULL;
}

/* What another build made of it is nobody's any more, and would outlive its dataset. */
static void drop_replaced(struct store *s, const struct hash_value *source,
                          const struct hash_value *made) {
        const struct import_note *note = note_of(s, source);
        struct entry *e =
                note && !hash_equal(&note->made, made) ? store_entry(s, &note->made) : NULL;

        if (e && !entry_stays(e))
                store_evict(s, e);
}

int store_set_import(struct store *s, const struct hash_value *source,
                     const struct hash_value *made, const char *class) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct import_note note = { .made = *made };
        char name[STORE_NAME_SIZE];
        struct bytes parts[1];
        int r;

        check(store_has(s, made));
        drop_replaced(s, source, made);
        buffer_init(&b, 512);
        buffer_put_u8(&b, FILE_VERSION);
        buffer_put(&b, made->bytes, HASH_SIZE);
        buffer_put_prefixed(&b, BYTES_STR(import_version(class, note.version)));
        parts[0] = buffer_bytes(&b);
        r = file_write_whole(s->dir_fd, file_name(source, "import", name), parts, 1);
        if (r == 0)
                free(map_set(s->imports, hash_bytes(source), xmemdup(&note, sizeof(note))));
        return r;
}
