// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CPortableClosures

/// A type's mangled name as it lies in an image, with symbolic references in it.
struct MangledName {
    private let bytes: UnsafeRawBufferPointer

    /// The name at the end of the 32-bit relative offset stored at `field`.
    init(relativeAt field: UnsafeRawPointer) {
        let start = field + Int(field.load(as: Int32.self))
        var length = 0
        // A control byte starts a symbolic reference: 1...0x17 with a 32-bit offset, 0x18...0x1f with a pointer.
        while case let byte = start.load(fromByteOffset: length, as: UInt8.self), byte != 0 {
            length += byte < 0x18 ? 5 : byte < 0x20 ? 9 : 1
        }
        bytes = UnsafeRawBufferPointer(start: start, count: length)
    }

    /// Whether this is the lowered function type that descriptors use for captured functions: `…I…_`.
    var isFunction: Bool { bytes.last == UInt8(ascii: "_") && bytes.contains(UInt8(ascii: "I")) }

    /// Whether this is weak, unowned or unmanaged storage, `…Xw`, `…Xo` or `…Xu`, perhaps in a box, `…z_Xx`.
    var isReferenceStorage: Bool {
        let boxed = bytes.suffix(4).elementsEqual("z_Xx".utf8) ? bytes.dropLast(4) : bytes[...]
        return ["Xw", "Xo", "Xu"].contains { boxed.suffix(2).elementsEqual($0.utf8) }
    }

    func resolve() -> (Any.Type)? {
        guard let start = bytes.baseAddress,
            let type = cpc_type_by_mangled_name(start.assumingMemoryBound(to: CChar.self), bytes.count)
        else { return nil }
        return unsafeBitCast(type, to: (Any.Type).self)
    }

    /// The name of the type this refers to if the program holds its description but no metadata for it.
    ///
    /// The optimiser drops the metadata of types that are not public and that nothing in their module needs at run time.
    var typeWithoutMetadata: String? {
        guard let start = bytes.baseAddress, bytes.count == 5, bytes[0] == 1 else { return nil }
        let field = start + 1
        return ContextDescriptor(field + Int(field.loadUnaligned(as: Int32.self))).nameWithoutMetadata
    }

    /// What of the name is text, for messages.
    var text: String { String(decoding: bytes.filter { (0x20..<0x7f).contains($0) }, as: UTF8.self) }
}
