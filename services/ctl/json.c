#include "services/ctl/json.h"

#include <inttypes.h>

#include "common/base/text.h"

static void put_escaped(FILE *f, uint32_t c) {
        if (c > 0xffff) {
                fprintf(f, "\\u%04x", 0xd800 + ((c - 0x10000) >> 10));
                c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        fprintf(f, "\\u%04x", c);
}

/* What people cannot see is written by its number: to parsers it is the same. */
void json_text(FILE *f, struct bytes v) {
        fputc('"', f);
        while (v.len > 0) {
                uint32_t c;
                size_t n = utf8_next(v, &c);

                if (n == 0)
                        fputs("\\ufffd", f);
                else if (c == '"' || c == '\\')
                        fprintf(f, "\\%c", (char) c);
                else if (c == '\n')
                        fputs("\\n", f);
                else if (text_is_hidden(c))
                        put_escaped(f, c);
                else if (n == 1)
                        fputc((int) c, f);
                else
                        fwrite(v.data, 1, n, f);
                n += n == 0;
                v = BYTES(v.data + n, v.len - n);
        }
        fputc('"', f);
}

void json_string(FILE *f, const char *v) {
        json_text(f, v ? BYTES_STR(v) : BYTES_NONE);
}

void json_hex(FILE *f, const void *p, size_t n) {
        const uint8_t *b = p;

        fputc('"', f);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%02x", b[i]);
        fputc('"', f);
}

void json_key(FILE *f, const char *name, bool *first) {
        fprintf(f, "%s\"%s\":", *first ? "" : ",", name);
        *first = false;
}

void json_member_string(FILE *f, const char *name, const char *v, bool *first) {
        json_key(f, name, first);
        json_string(f, v);
}

void json_member_u64(FILE *f, const char *name, uint64_t v, bool *first) {
        json_key(f, name, first);
        fprintf(f, "%" PRIu64, v);
}

void json_member_bool(FILE *f, const char *name, bool v, bool *first) {
        json_key(f, name, first);
        fputs(v ? "true" : "false", f);
}

void json_member_ms(FILE *f, const char *name, uint64_t us, bool *first) {
        json_key(f, name, first);
        fprintf(f, "%" PRIu64 ".%03" PRIu64, us / 1000, us % 1000);
}
