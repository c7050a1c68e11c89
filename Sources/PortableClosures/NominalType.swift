// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A struct, enum or class read from its metadata: its context descriptor, name and generic arguments.
///
/// Layouts are those of the Swift ABI (docs/ABI/TypeMetadata.rst in the compiler's sources).
struct NominalType {
    enum Argument {
        case type(Any.Type)
        case pack([Any.Type])
    }

    let descriptor: UnsafeRawPointer
    private let metadata: UnsafeRawPointer
    private let isClass: Bool

    private static let classKind: UInt = 0
    private static let structKind: UInt = 0x200
    private static let enumKind: UInt = 0x201
    private static let optionalKind: UInt = 0x202
    /// Where a class's metadata keeps its descriptor, on platforms without Objective-C.
    private static let classDescriptorOffset = 40

    init?(_ type: Any.Type) {
        metadata = unsafeBitCast(type, to: UnsafeRawPointer.self)
        switch metadata.load(as: UInt.self) {
        case Self.structKind, Self.enumKind, Self.optionalKind:
            isClass = false
            descriptor = metadata.load(fromByteOffset: 8, as: UnsafeRawPointer.self)
        case Self.classKind:
            isClass = true
            guard let found = metadata.load(fromByteOffset: Self.classDescriptorOffset, as: UnsafeRawPointer?.self)
            else { return nil }
            descriptor = found
        default:
            return nil
        }
    }

    /// The mangled name without arguments when every context around the type has a name; nil for private and local ones.
    var plainName: String? { ContextDescriptor(descriptor).plainName }

    /// The generic arguments, one list for each nominal type around this one and itself that adds some, outermost
    /// first; an empty array for types that are not generic; nil when they cannot be read.
    var arguments: [[Argument]]? {
        let levels = ContextDescriptor(descriptor).genericLevels
        guard let last = levels.last(where: { $0 != nil }), let generics = last else { return [] }
        guard var word = argumentsOffset.map({ metadata + $0 }) else { return nil }
        // First come the lengths of packs, one for each set of packs of equal length; then the arguments.
        let packShapes = generics.parameters.contains(.pack) ? generics.packShapeCount : 0
        guard packShapes <= 1 else { return nil }
        let packLength = packShapes == 1 ? Int(word.load(as: UInt.self)) : 0
        word += packShapes * 8
        var read: [Argument] = []
        for parameter in generics.parameters {
            switch parameter {
            case .type:
                read.append(.type(word.load(as: Any.Type.self)))
            case .pack:
                // The lowest bit tells where the pack was allocated.
                guard let pack = UnsafePointer<Any.Type>(bitPattern: word.load(as: UInt.self) & ~1) else { return nil }
                read.append(.pack((0..<packLength).map { pack[$0] }))
            case .other:
                return nil
            }
            word += 8
        }
        var result: [[Argument]] = []
        var taken = 0
        for level in levels {
            // Parameter counts include those of the contexts around.
            let count = min(max(level?.parameters.count ?? taken, taken), read.count)
            result.append(Array(read[taken..<count]))
            taken = count
        }
        return result
    }

    private var argumentsOffset: Int? {
        guard isClass else { return 16 }
        let flags = descriptor.load(as: UInt32.self) >> 16
        let hasResilientSuperclass = flags & 0x2000 != 0, immediateMembersNegative = flags & 0x1000 != 0
        guard !hasResilientSuperclass, !immediateMembersNegative else { return nil }
        let positiveSize = Int(descriptor.load(fromByteOffset: 28, as: UInt32.self))
        let immediateMembers = Int(descriptor.load(fromByteOffset: 32, as: UInt32.self))
        return (positiveSize - immediateMembers) * 8
    }
}

/// A module, type or other context as the compiler describes it for reflection.
struct ContextDescriptor {
    struct Generics: Equatable {
        enum Parameter { case type, pack, other }
        let parameters: [Parameter]
        let packShapeCount: Int
    }

    private let address: UnsafeRawPointer
    private let flags: UInt32

    init(_ address: UnsafeRawPointer) {
        self.address = address
        flags = address.load(as: UInt32.self)
    }

    private enum Kind: UInt32 { case module = 0, `class` = 16, `struct` = 17, `enum` = 18 }

    private var kind: Kind? { Kind(rawValue: flags & 0x1f) }
    private var isGeneric: Bool { flags & 0x80 != 0 }

    private var parent: ContextDescriptor? {
        let field = address + 4
        let offset = Int(field.load(as: Int32.self))
        guard offset != 0 else { return nil }
        // The lowest bit says that the address is that of a pointer to the parent.
        let target = field + (offset & ~1)
        return ContextDescriptor(offset & 1 == 0 ? target : target.load(as: UnsafeRawPointer.self))
    }

    private var name: String {
        let field = address + 8
        return String(cString: (field + Int(field.load(as: Int32.self))).assumingMemoryBound(to: UInt8.self))
    }

    var plainName: String? {
        // Only modules and types have a name; anonymous contexts, extensions and functions have other fields there.
        guard let kind else { return nil }
        let name = name
        let isPlain = name.utf8.allSatisfy { $0 < 0x80 && $0 > 0x20 } && name.utf8.first.map { $0 > 0x39 } == true
        guard isPlain else { return nil }
        switch kind {
        case .module: return name == "Swift" ? "s" : identifier
        case .class: return parent?.plainName.map { $0 + identifier + "C" }
        case .struct: return parent?.plainName.map { $0 + identifier + "V" }
        case .enum: return parent?.plainName.map { $0 + identifier + "O" }
        }
    }

    /// The type's name when it has no function to get its metadata by.
    var nameWithoutMetadata: String? {
        guard let kind, kind != .module, address.load(fromByteOffset: 12, as: Int32.self) == 0 else { return nil }
        return name
    }

    private var identifier: String {
        let name = name
        return "\(name.utf8.count)\(name)"
    }

    /// What generic parameters each nominal type has, from the outermost to this one; nil within a level that has none
    /// of its own.
    var genericLevels: [Generics?] {
        switch kind {
        case .class, .struct, .enum:
            return (parent?.genericLevels ?? []) + [isGeneric ? generics : nil]
        case .module:
            return []
        case nil:
            // Private types lie in an anonymous context, which repeats their parameters; local ones in that of their
            // function. Those of a generic function come out wrong, which shows when the type is looked up.
            return parent?.genericLevels ?? []
        }
    }

    private var generics: Generics {
        let start = address + (kind == .class ? 44 : 28)
        let count = Int(start.load(fromByteOffset: 8, as: UInt16.self))
        let requirementCount = Int(start.load(fromByteOffset: 10, as: UInt16.self))
        let hasPacks = start.load(fromByteOffset: 14, as: UInt16.self) & 1 != 0
        let parameters = (0..<count).map { index -> Generics.Parameter in
            switch start.load(fromByteOffset: 16 + index, as: UInt8.self) {
            case 0x80: .type
            case 0x81: .pack
            default: .other
            }
        }
        guard hasPacks else { return Generics(parameters: parameters, packShapeCount: 0) }
        let packs = start + 16 + ((count + 3) & ~3) + 12 * requirementCount
        return Generics(parameters: parameters, packShapeCount: Int(packs.load(fromByteOffset: 2, as: UInt16.self)))
    }
}
