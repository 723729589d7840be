#include "common/canonical/meeting.h"

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/crypto/kdf.h"
#include "common/crypto/sign.h"

#define TOPIC_INFO "quorate/v1/topic"
#define TOPIC_MAX  128

char *meeting_name(const uint8_t secret[MEETING_SECRET_SIZE], struct bytes topic, int64_t hour,
                   char ret[MEETING_NAME_SIZE]) {
        uint8_t storage[sizeof(TOPIC_INFO) + 8 + TOPIC_MAX], name[MEETING_SECRET_SIZE];
        struct buffer info = buffer_over(storage, sizeof(storage));

        buffer_put_bytes(&info, BYTES_LIT(TOPIC_INFO));
        buffer_put_u64(&info, (uint64_t) hour);
        buffer_put_bytes(&info, topic);
        check(!info.failed && hour >= 0);
        hkdf_sha256(BYTES(secret, MEETING_SECRET_SIZE), BYTES_NONE, buffer_bytes(&info), name,
                    sizeof(name));
        hex_encode(BYTES_OF(name), ret);
        return ret;
}
