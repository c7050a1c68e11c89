// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CPortableClosures

/// On the wire a function is an array: `[code]` without captures, `[code, 1, box metadata, capture…]`, or
/// `[code, 2, type, object]` for a sole captured object. Captured functions are such arrays again.
extension FunctionValue {
    private enum ContextKind: Int, Codable { case box = 1, object = 2 }

    /// Writes code and captures.
    ///
    /// Refuses before the first byte is written anywhere but into the encoder.
    func encode(to container: inout any UnkeyedEncodingContainer) throws {
        try container.encode(CodeReference(code))
        guard let context else { return }
        let metadata = context.load(as: UnsafeRawPointer.self)
        guard CaptureLayout.describesBox(metadata) else {
            let type = try SoleCapture.type(of: context)
            try container.encode(ContextKind.object)
            try container.encode(TypeReference(type))
            // The context is the reference; where it is stored is the value.
            try withUnsafeBytes(of: context) { try Self.encode(type, at: $0.baseAddress, to: &container) }
            return
        }
        let layout = try CaptureLayout.of(metadata)
        try container.encode(ContextKind.box)
        try container.encode(CodeReference(metadata))
        for field in layout.fields {
            switch field {
            case .value(let type, let offset):
                try Self.encode(type.type, at: context + offset, to: &container)
            case .function(let offset):
                var nested = container.nestedUnkeyedContainer()
                try (context + offset).load(as: FunctionValue.self).encode(to: &nested)
            }
        }
    }

    /// Rebuilds a function; the caller owns one reference to its context.
    init(from container: inout any UnkeyedDecodingContainer) throws {
        code = try container.decode(CodeReference.self).resolve()
        guard !container.isAtEnd else {
            context = nil
            return
        }
        switch try container.decode(ContextKind.self) {
        case .object:
            let resolved = try container.decode(TypeReference.self).resolve()
            guard let type = resolved as? any Codable.Type else {
                throw PortableClosureError(
                    .malformed,
                    "a closure's object is of type \(resolved), which is not Codable"
                )
            }
            context = try Self.decodeObject(type, from: &container)
        case .box:
            let metadata = try container.decode(CodeReference.self).resolve()
            guard CaptureLayout.describesBox(metadata) else {
                throw PortableClosureError(.malformed, "a closure's captures are described by something else")
            }
            context = try Self.decodeBox(metadata, CaptureLayout.of(metadata), from: &container)
        }
    }

    private static func encode(
        _ type: any Codable.Type,
        at address: UnsafeRawPointer?,
        to container: inout any UnkeyedEncodingContainer
    ) throws {
        guard let address else { return }
        func open<T: Codable>(_: T.Type) throws {
            try container.encode(address.assumingMemoryBound(to: T.self).pointee)
        }
        try open(type)
    }

    private static func decodeObject(
        _ type: any Codable.Type,
        from container: inout any UnkeyedDecodingContainer
    ) throws -> UnsafeRawPointer {
        func open<T: Codable>(_: T.Type) throws -> UnsafeRawPointer {
            guard MemoryLayout<T>.size == MemoryLayout<UnsafeRawPointer>.size else {
                throw PortableClosureError(.malformed, "a closure's object is of type \(T.self), which is no reference")
            }
            let value = try container.decode(T.self)
            return withUnsafeTemporaryAllocation(of: T.self, capacity: 1) { memory in
                // Ownership of the reference goes to the function: the memory is not deinitialised.
                memory.initializeElement(at: 0, to: value)
                return UnsafeRawBufferPointer(memory).load(as: UnsafeRawPointer.self)
            }
        }
        return try open(type)
    }

    private static func decodeBox(
        _ metadata: UnsafeRawPointer,
        _ layout: CaptureLayout,
        from container: inout any UnkeyedDecodingContainer
    ) throws -> UnsafeRawPointer {
        guard let box = cpc_allocate_box(metadata, layout.size, layout.alignmentMask) else {
            throw PortableClosureError(.malformed, "no memory for a closure's captures")
        }
        var initialized = 0
        do {
            for field in layout.fields {
                switch field {
                case .value(let type, let offset): try initialize(box + offset, to: type.type, from: &container)
                case .function(let offset):
                    var nested = try container.nestedUnkeyedContainer()
                    (box + offset).storeBytes(of: try FunctionValue(from: &nested), as: FunctionValue.self)
                }
                initialized += 1
            }
        } catch {
            for field in layout.fields.prefix(initialized) {
                switch field {
                case .value(let type, let offset): deinitialize(box + offset, as: type.type)
                case .function(let offset): (box + offset).load(as: FunctionValue.self).release()
                }
            }
            cpc_deallocate_box(box, layout.size, layout.alignmentMask)
            throw error
        }
        return UnsafeRawPointer(box)
    }

    private static func initialize(
        _ address: UnsafeMutableRawPointer,
        to type: any Codable.Type,
        from container: inout any UnkeyedDecodingContainer
    ) throws {
        func open<T: Codable>(_: T.Type) throws {
            address.initializeMemory(as: T.self, to: try container.decode(T.self))
        }
        try open(type)
    }

    private static func deinitialize(_ address: UnsafeMutableRawPointer, as type: any Codable.Type) {
        func open<T: Codable>(_: T.Type) { address.assumingMemoryBound(to: T.self).deinitialize(count: 1) }
        open(type)
    }

    /// Gives up the reference to the context that ``init(from:)`` made.
    func release() {
        if let context { Unmanaged<AnyObject>.fromOpaque(context).release() }
    }
}
