// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#ifndef CMSGPACK_H
#define CMSGPACK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// ---------------------------------------------------------------------------------------------------------------------
// Writing: msgpack-c's pack template over a growable buffer, so that each packer inlines into its caller.

/// A growable run of bytes. `borrowed`, when not null, is storage of the caller's that `bytes` starts in.
typedef struct cmsgpack_writer {
    uint8_t *bytes;
    size_t count;
    size_t capacity;
    uint8_t *borrowed;
} cmsgpack_writer;

/// Makes room for `extra` more bytes. Stops the program when memory runs out, as Swift's own collections do.
void cmsgpack_writer_grow(cmsgpack_writer *writer, size_t extra);

/// Gives back the storage, unless it is the caller's.
void cmsgpack_writer_free(cmsgpack_writer *writer);

static inline void cmsgpack_writer_reserve(cmsgpack_writer *writer, size_t extra) {
    if (__builtin_expect(writer->capacity - writer->count < extra, 0)) { cmsgpack_writer_grow(writer, extra); }
}

static inline void cmsgpack_writer_append(cmsgpack_writer *writer, const void *bytes, size_t count) {
    cmsgpack_writer_reserve(writer, count);
    if (count != 0) { memcpy(writer->bytes + writer->count, bytes, count); }
    writer->count += count;
}

static inline void cmsgpack_writer_append_byte(cmsgpack_writer *writer, uint8_t byte) {
    cmsgpack_writer_reserve(writer, 1);
    writer->bytes[writer->count++] = byte;
}

// The template's timestamp packer calls the ext packer by its plain name.
#define msgpack_pack_ext cmsgpack_pack_ext
#define msgpack_pack_inline_func(name) static inline void cmsgpack_pack##name
#define msgpack_pack_user cmsgpack_writer *
#define msgpack_pack_append_buffer(user, buf, len) cmsgpack_writer_append((user), (buf), (len))
#include <msgpack/pack_template.h>
#undef msgpack_pack_ext

/// Writes a string of 32 bytes or more; false, and nothing written, when it is too long for MessagePack.
bool cmsgpack_pack_long_string(cmsgpack_writer *writer, const void *bytes, size_t count);

/// Writes a string's header and its bytes; false, and nothing written, when it is too long for MessagePack.
static inline bool cmsgpack_pack_string(cmsgpack_writer *writer, const void *bytes, size_t count) {
    if (__builtin_expect(count < 32, 1)) {
        cmsgpack_writer_reserve(writer, 32);
        uint8_t *to = writer->bytes + writer->count;
        *to++ = (uint8_t)(0xa0 | count);
        const uint8_t *from = (const uint8_t *)bytes;
        // Short strings by overlapping fixed-width moves: a call to memcpy costs more than the bytes.
        if (count >= 16) {
            memcpy(to, from, 16);
            memcpy(to + count - 16, from + count - 16, 16);
        } else if (count >= 8) {
            memcpy(to, from, 8);
            memcpy(to + count - 8, from + count - 8, 8);
        } else if (count >= 4) {
            memcpy(to, from, 4);
            memcpy(to + count - 4, from + count - 4, 4);
        } else if (count != 0) {
            to[0] = from[0];
            to[count / 2] = from[count / 2];
            to[count - 1] = from[count - 1];
        }
        writer->count += count + 1;
        return true;
    }
    return cmsgpack_pack_long_string(writer, bytes, count);
}

/// Writes a timestamp extension in its smallest form.
static inline void cmsgpack_pack_time(cmsgpack_writer *writer, int64_t seconds, uint32_t nanoseconds) {
    msgpack_timestamp time = {.tv_sec = seconds, .tv_nsec = nanoseconds};
    cmsgpack_pack_timestamp(writer, &time);
}

/// Turns the one-byte header reserved at `header` into that of a map (or an array) of `count` pairs (elements),
/// moving what was written after it when the header needs more bytes.
void cmsgpack_writer_patch(cmsgpack_writer *writer, size_t header, size_t count, bool is_map);

// Whole arrays, header included: one reservation for many elements, then writes without a check.
void cmsgpack_pack_array_int8(cmsgpack_writer *writer, const void *elements, size_t count);
void cmsgpack_pack_array_int16(cmsgpack_writer *writer, const void *elements, size_t count);
void cmsgpack_pack_array_int32(cmsgpack_writer *writer, const void *elements, size_t count);
void cmsgpack_pack_array_int64(cmsgpack_writer *writer, const void *elements, size_t count);
void cmsgpack_pack_array_uint16(cmsgpack_writer *writer, const void *elements, size_t count);
void cmsgpack_pack_array_uint32(cmsgpack_writer *writer, const void *elements, size_t count);
void cmsgpack_pack_array_uint64(cmsgpack_writer *writer, const void *elements, size_t count);
void cmsgpack_pack_array_float(cmsgpack_writer *writer, const void *elements, size_t count);
void cmsgpack_pack_array_double(cmsgpack_writer *writer, const void *elements, size_t count);
void cmsgpack_pack_array_bool(cmsgpack_writer *writer, const void *elements, size_t count);

// ---------------------------------------------------------------------------------------------------------------------
// Reading: one checking pass over the message, then a walk that trusts it.

/// Where a container (not an empty one) ends, and the index of the first container after it, in message order.
typedef struct cmsgpack_span {
    uint32_t end;
    uint32_t next;
} cmsgpack_span;

/// A place in the message: the offset of a value, and the index of the first span at or after it.
typedef struct cmsgpack_cursor {
    uint32_t offset;
    uint32_t span;
} cmsgpack_cursor;

typedef enum cmsgpack_status {
    CMSGPACK_OK,
    CMSGPACK_EMPTY,
    CMSGPACK_TRUNCATED,
    CMSGPACK_RESERVED_BYTE,
    CMSGPACK_TOO_DEEP,
    CMSGPACK_TOO_LONG,
    CMSGPACK_TOO_MANY,
} cmsgpack_status;

typedef struct cmsgpack_limits {
    uint32_t depth;
    uint32_t length;
    uint32_t values;
} cmsgpack_limits;

typedef struct cmsgpack_fault {
    uint32_t offset;  ///< Where the value that is at fault starts.
    uint64_t claimed; ///< The length it claims, in bytes or elements.
} cmsgpack_fault;

/// A message that passed `cmsgpack_scan`.
typedef struct cmsgpack_message {
    const uint8_t *bytes;
    uint32_t count;
    cmsgpack_span *spans;
    uint32_t span_count;
    uint32_t span_capacity;
} cmsgpack_message;

/// Checks the value at the start of `message->bytes` and all it holds, and notes where its containers end.
///
/// Nothing is allocated for a claimed length: the outstanding elements of all open containers are compared with the
/// bytes left at each header, and the spans grow with headers that were really there. `*end` is where the value ends.
cmsgpack_status cmsgpack_scan(cmsgpack_message *message, cmsgpack_limits limits, uint32_t *end, cmsgpack_fault *fault);

void cmsgpack_message_free(cmsgpack_message *message);

typedef enum cmsgpack_kind {
    CMSGPACK_NIL,
    CMSGPACK_BOOL,
    CMSGPACK_INT,  ///< `number` is an int64_t.
    CMSGPACK_UINT, ///< `number` is above INT64_MAX.
    CMSGPACK_FLOAT,
    CMSGPACK_DOUBLE,
    CMSGPACK_STR,
    CMSGPACK_BIN,
    CMSGPACK_EXT,
    CMSGPACK_ARRAY,
    CMSGPACK_MAP,
    CMSGPACK_INVALID,
} cmsgpack_kind;

/// The header of one value. `number` is the integer, the float's bits, the length or the count.
typedef struct cmsgpack_token {
    uint64_t number;
    uint8_t kind;
    uint8_t header; ///< Bytes before the payload or the first element.
    int8_t ext;
} cmsgpack_token;

static inline uint64_t cmsgpack_load8(const uint8_t *at) { return *at; }
static inline uint64_t cmsgpack_load16(const uint8_t *at) {
    uint16_t value;
    _msgpack_load16(uint16_t, at, &value);
    return value;
}
static inline uint64_t cmsgpack_load32(const uint8_t *at) {
    uint32_t value;
    _msgpack_load32(uint32_t, at, &value);
    return value;
}
static inline uint64_t cmsgpack_load64(const uint8_t *at) {
    uint64_t value;
    _msgpack_load64(uint64_t, at, &value);
    return value;
}

typedef enum cmsgpack_text {
    CMSGPACK_TEXT_INVALID,
    CMSGPACK_TEXT_UTF8, ///< No overlong forms, no surrogates, nothing above U+10FFFF.
    CMSGPACK_TEXT_ASCII,
} cmsgpack_text;

/// What text the bytes are.
cmsgpack_text cmsgpack_check_text(const uint8_t *bytes, size_t count);

/// The most bytes of a value whose first byte tells its size.
#define CMSGPACK_SMALL_VALUE_SIZE 32

/// Whether the bytes are one value, and nothing else, whose first byte tells its size: no array and no map.
bool cmsgpack_is_small_value(const uint8_t *bytes, size_t count);

/// Reads the header at `at`, which lies in a scanned message.
cmsgpack_token cmsgpack_read(const uint8_t *at);

/// Reads the header at `at`; those of small arrays and maps at once.
static inline cmsgpack_token cmsgpack_read_container(const uint8_t *at) {
    if (__builtin_expect((*at & 0xe0) == 0x80, 1)) {
        cmsgpack_kind kind = *at < 0x90 ? CMSGPACK_MAP : CMSGPACK_ARRAY;
        return (cmsgpack_token){.number = *at & 0x0f, .kind = (uint8_t)kind, .header = 1};
    }
    return cmsgpack_read(at);
}

extern const uint8_t cmsgpack_fixed_sizes[256];

/// The size of a value whose first byte says it all, or 0.
static inline uint32_t cmsgpack_fixed_size(uint8_t first) {
    // Where processors guess right that it is a short string, nothing waits for the table.
    return (first & 0xe0) == 0xa0 ? 1 + (first & 0x1f) : cmsgpack_fixed_sizes[first];
}

/// The place after a value of any size.
cmsgpack_cursor cmsgpack_skip_any(const cmsgpack_message *message, cmsgpack_cursor cursor);

/// The place after the value at `cursor`.
static inline cmsgpack_cursor cmsgpack_skip(const cmsgpack_message *message, cmsgpack_cursor cursor) {
    uint8_t first = message->bytes[cursor.offset];
    uint32_t size = cmsgpack_fixed_size(first);
    if (__builtin_expect(size == 0, 0)) {
        // A small array or map that is not empty.
        if ((first & 0xe0) == 0x80 && (first & 0x0f) != 0) {
            return (cmsgpack_cursor){message->spans[cursor.span].end, message->spans[cursor.span].next};
        }
        return cmsgpack_skip_any(message, cursor);
    }
    return (cmsgpack_cursor){cursor.offset + size, cursor.span};
}

/// One step of a coding path.
typedef struct cmsgpack_node {
    uint32_t parent;
    uint32_t step; ///< The offset of the key, or the index of the element.
    bool is_index;
    bool is_root;
} cmsgpack_node;

typedef enum cmsgpack_key_kind {
    CMSGPACK_KEY_STRING,
    CMSGPACK_KEY_INTEGER,
    CMSGPACK_KEY_OTHER,    ///< Neither of these.
    CMSGPACK_KEY_REPLACED, ///< A later pair has the same key.
} cmsgpack_key_kind;

/// A pair of a map.
typedef struct cmsgpack_pair {
    uint64_t mark; ///< The integer; or the length of the string and its first bytes, which most strings differ in.
    cmsgpack_cursor value;
    uint32_t key; ///< The offset of the key.
    uint32_t kind;
} cmsgpack_pair;

typedef struct cmsgpack_slot {
    uint32_t hash;
    uint32_t number; ///< Of the pair: one more than its index, so that no pair is 0.
} cmsgpack_slot;

/// The pairs of one map after the other, in memory that is used again; all zeros at first.
typedef struct cmsgpack_pairs {
    cmsgpack_pair *all;
    cmsgpack_slot *slots; ///< A table of the pairs by their keys' hashes, if there are many.
    size_t slot_mask;
    uint32_t count;
    uint32_t capacity;
    uint32_t next;         ///< The pair that is asked for next if keys are asked for in their order.
    uint32_t string_count; ///< Pairs whose key is a string, replaced ones too.
    bool are_plain;        ///< All keys are short strings, and no two marks are the same, so that no two keys are.
} cmsgpack_pairs;

typedef enum cmsgpack_map_status {
    CMSGPACK_MAP_OK,
    CMSGPACK_MAP_NONE,     ///< There is another value; `*fault` is its offset.
    CMSGPACK_MAP_REPEATED, ///< A key appears twice.
    CMSGPACK_MAP_BAD_KEY,  ///< A key is neither a string nor an int64_t; `*fault` is the offset of the first.
} cmsgpack_map_status;

/// Looks at each key of a map: what it is, whether it is there once, and where its value is.
///
/// Stops the program when memory runs out, as Swift's own collections do.
cmsgpack_map_status cmsgpack_pairs_read(cmsgpack_pairs *pairs, const cmsgpack_message *message, cmsgpack_cursor first,
                                        uint32_t count, uint32_t *fault);

/// The same for the map at `cursor`, if there is one.
cmsgpack_map_status cmsgpack_pairs_open(cmsgpack_pairs *pairs, const cmsgpack_message *message, cmsgpack_cursor cursor,
                                        uint32_t *fault);

/// The pair whose key is this string, or null; found at once if it follows the one found last.
const cmsgpack_pair *cmsgpack_pairs_find(cmsgpack_pairs *pairs, const cmsgpack_message *message, const uint8_t *key,
                                         size_t count);

/// The pair whose key is this integer, or null.
const cmsgpack_pair *cmsgpack_pairs_find_integer(cmsgpack_pairs *pairs, int64_t key);

/// Gives back the memory.
void cmsgpack_pairs_free(cmsgpack_pairs *pairs);

// Reads `count` elements at `at` into `out` and returns how many could be read; `*stop` is where reading stopped.
size_t cmsgpack_read_int8(const uint8_t *at, size_t count, void *out, const uint8_t **stop);
size_t cmsgpack_read_int16(const uint8_t *at, size_t count, void *out, const uint8_t **stop);
size_t cmsgpack_read_int32(const uint8_t *at, size_t count, void *out, const uint8_t **stop);
size_t cmsgpack_read_int64(const uint8_t *at, size_t count, void *out, const uint8_t **stop);
size_t cmsgpack_read_uint8(const uint8_t *at, size_t count, void *out, const uint8_t **stop);
size_t cmsgpack_read_uint16(const uint8_t *at, size_t count, void *out, const uint8_t **stop);
size_t cmsgpack_read_uint32(const uint8_t *at, size_t count, void *out, const uint8_t **stop);
size_t cmsgpack_read_uint64(const uint8_t *at, size_t count, void *out, const uint8_t **stop);
size_t cmsgpack_read_float(const uint8_t *at, size_t count, void *out, const uint8_t **stop);
size_t cmsgpack_read_double(const uint8_t *at, size_t count, void *out, const uint8_t **stop);
size_t cmsgpack_read_bool(const uint8_t *at, size_t count, void *out, const uint8_t **stop);

// ---------------------------------------------------------------------------------------------------------------------
// Objects that live for ever: what is worth keeping for each type of coding key, by the type's address. Any thread may
// look for one and add one at any time.

/// The writer factory of a type of keys, or null.
void *cmsgpack_find_writer(const void *key);

/// The lender of a type of keys, or null.
void *cmsgpack_find_reader(const void *key);

/// Whether there is room for the lender of a type of keys.
bool cmsgpack_has_room_for_reader(const void *key);

/// Adds one unless the key has one or there is no room; false says that the object stays the caller's.
bool cmsgpack_add_writer(const void *key, void *value);
bool cmsgpack_add_reader(const void *key, void *value);

// ---------------------------------------------------------------------------------------------------------------------
// Objects at rest, each of which has one user at a time: what a decoder has made and the next one can use again.

/// An object that was put down, or null. Its fields are as whoever put it down left them.
void *cmsgpack_idle_take(void);

/// Puts an object down for any thread to take; false says that there is no room, and the object stays the caller's.
bool cmsgpack_idle_put(void *object);

#endif
