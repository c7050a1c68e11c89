// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CPortableClosures.h"

// Entry points of the Swift runtime, called from C because Swift reserves their names.
extern const void *swift_getTypeByMangledNameInContext(
    const char *name, size_t length, const void *context, const void *const *arguments) __attribute__((swiftcall));
extern void *swift_allocObject(const void *metadata, size_t size, size_t alignment_mask);
extern void swift_deallocUninitializedObject(void *object, size_t size, size_t alignment_mask);
extern void *swift_retain(void *object);
extern void swift_release(void *object);

const void *cpc_type_by_mangled_name(const char *name, size_t length) {
    return swift_getTypeByMangledNameInContext(name, length, 0, 0);
}

void *cpc_allocate_box(const void *metadata, size_t size, size_t alignment_mask) {
    return swift_allocObject(metadata, size, alignment_mask);
}

void cpc_deallocate_box(void *box, size_t size, size_t alignment_mask) {
    swift_deallocUninitializedObject(box, size, alignment_mask);
}

void *cpc_retain(void *object) { return swift_retain(object); }
void cpc_release(void *object) { swift_release(object); }
