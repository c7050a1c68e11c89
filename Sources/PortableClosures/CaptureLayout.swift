// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CPortableClosures
internal import Synchronization

/// Where the captures lie in a closure's box, read from the capture descriptor the compiler leaves for reflection.
///
/// A box is a heap object whose metadata has kind 0x400 and points to a descriptor that lists the captured types in
/// order; each lies at the next offset that suits its alignment. The same metadata exists in every process of the
/// program, so layouts do not travel.
struct CaptureLayout: Sendable {
    enum Field: Sendable {
        case value(CodableType, offset: Int)
        case function(offset: Int)
    }

    let fields: [Field]
    let size: Int
    let alignmentMask: Int

    private static let boxKind: UInt = 0x400
    private static let headerSize = 16

    /// Whether `metadata` describes a box of captures and not an object of some class.
    static func describesBox(_ metadata: UnsafeRawPointer) -> Bool {
        metadata.load(as: UInt.self) == boxKind
    }

    private static let known = Mutex<[UInt64: CaptureLayout]>([:])

    /// The layout of boxes with this metadata.
    ///
    /// Cost: a dictionary look-up after the first time.
    static func of(_ metadata: UnsafeRawPointer) throws(PortableClosureError) -> CaptureLayout {
        let key = UInt64(UInt(bitPattern: metadata))
        if let layout = known.withLock({ $0[key] }) { return layout }
        let layout = try CaptureLayout(metadata)
        known.withLock { $0[key] = layout }
        return layout
    }

    private init(_ metadata: UnsafeRawPointer) throws(PortableClosureError) {
        guard let descriptor = metadata.load(fromByteOffset: 16, as: UnsafeRawPointer?.self) else {
            throw PortableClosureError(
                .captureNotCodable,
                "captures cannot be read: the module was built without reflection metadata; "
                    + "build it without -disable-reflection-metadata"
            )
        }
        let count = Int(descriptor.load(as: UInt32.self))
        guard descriptor.load(fromByteOffset: 8, as: UInt32.self) == 0 else {
            throw PortableClosureError(
                .genericCapture,
                "the closure is inside a generic function and uses its type parameters; "
                    + "make the closure outside of it, or pass the values as arguments"
            )
        }
        var fields: [Field] = []
        fields.reserveCapacity(count)
        var offset = max(Int(metadata.load(fromByteOffset: 8, as: UInt32.self)), Self.headerSize)
        var alignmentMask = 15
        for index in 0..<count {
            let name = MangledName(relativeAt: descriptor + 12 + 4 * index)
            if name.isReferenceStorage {
                throw PortableClosureError(
                    .captureNotCodable,
                    "captures a weak or unowned reference (\(name.text)), which means nothing in another process; "
                        + "capture a Codable value or a distributed actor"
                )
            }
            if name.isFunction {
                offset = (offset + 7) & ~7
                fields.append(.function(offset: offset))
                offset += MemoryLayout<FunctionValue>.size
            } else if let type = name.resolve() {
                guard let codable = type as? any Codable.Type else { throw .captureNotCodable(type) }
                let (size, alignment) = Self.sizeAndAlignment(codable)
                alignmentMask = max(alignmentMask, alignment - 1)
                offset = (offset + alignment - 1) & ~(alignment - 1)
                fields.append(.value(CodableType(codable), offset: offset))
                offset += size
            } else if let type = name.typeWithoutMetadata {
                throw PortableClosureError(
                    .typeNotFound,
                    "captures a \(type), of which the optimiser kept no metadata because nothing else needs it; "
                        + "declare it public, or pass the value as an argument instead of capturing it"
                )
            } else {
                throw PortableClosureError(
                    .captureNotCodable,
                    "captures a value whose type has no name at run time (\(name.text)), such as a mutable variable; "
                        + "copy it into a constant of a Codable type and capture that"
                )
            }
        }
        self.fields = fields
        self.size = offset
        self.alignmentMask = alignmentMask
    }

    private static func sizeAndAlignment(_ type: any Codable.Type) -> (size: Int, alignment: Int) {
        func open<T: Codable>(_: T.Type) -> (Int, Int) { (MemoryLayout<T>.size, MemoryLayout<T>.alignment) }
        return open(type)
    }
}

/// A type that can travel, in a form that tasks may share.
///
/// Unchecked: a metatype is immutable, and the conformances of types that travel are not isolated to an actor, since
/// values are encoded wherever a message is made.
struct CodableType: @unchecked Sendable {
    let type: any Codable.Type

    init(_ type: any Codable.Type) { self.type = type }
}

extension PortableClosureError {
    static func captureNotCodable(_ type: Any.Type) -> PortableClosureError {
        PortableClosureError(
            .captureNotCodable,
            "captures \(String(reflecting: type)), which is not Codable; "
                + "make it Codable, capture the parts the closure needs, or use a distributed actor"
        )
    }
}
