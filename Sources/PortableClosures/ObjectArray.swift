// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// An array of objects whose static class is unknown; each is written with its own class.
///
/// All arrays of class instances share one kind of storage, so a closure that captures one and nothing else does not
/// tell the element type. This struct is that storage and nothing more.
struct ObjectArray: Codable {
    private var objects: [AnyObject]

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        objects = []
        while !container.isAtEnd {
            let type = try container.decode(TypeReference.self).resolve()
            guard let codable = type as? any (AnyObject & Codable).Type else {
                throw PortableClosureError(
                    .malformed,
                    "an array's object is of type \(type), which is no Codable class"
                )
            }
            objects.append(try Self.decode(codable, from: &container))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for object in objects {
            guard let codable = object as? any (AnyObject & Codable) else {
                throw PortableClosureError.captureNotCodable(type(of: object))
            }
            try container.encode(TypeReference(type(of: object)))
            try container.encode(codable)
        }
    }

    private static func decode<T: AnyObject & Codable>(
        _ type: T.Type,
        from container: inout any UnkeyedDecodingContainer
    ) throws -> AnyObject {
        try container.decode(type)
    }
}
