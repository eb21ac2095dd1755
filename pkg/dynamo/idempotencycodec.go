package dynamo

import (
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
)

func encodeIdempotency(r idempotency.Record) item {
	it := newItem(idemKey(r.Scope), typeIdempotency)
	it.string(attrFingerprint, r.Fingerprint)
	it.string(attrOperation, string(r.Operation))
	it.int(attrHTTPStatus, int64(r.Status))
	it.string(attrETag, r.ETag)
	it.bytes(attrBody, r.Body)
	it.time(attrCreatedAt, r.CreatedAt)
	it.time(attrExpiresAt, r.ExpiresAt)
	it.ttl(r.ExpiresAt)
	if s := r.Secret; s != nil {
		it.string(attrKind, string(rune(s.Kind)))
		it.string(attrPublic, s.Public)
		it.int(attrGeneration, s.Generation)
		it.bytes(attrSalt, s.Salt)
		it.string(attrKeyVersion, s.KeyVersion)
	}
	return it
}

func decodeIdempotency(it item) (*idempotency.Record, error) {
	r := reader{it: it}
	out := &idempotency.Record{Scope: afterHash(r.string(attrPK)), Fingerprint: r.string(attrFingerprint),
		Operation: id.Operation(r.string(attrOperation)), Status: int(r.int(attrHTTPStatus)), ETag: r.string(attrETag),
		Body: r.bytes(attrBody), CreatedAt: r.time(attrCreatedAt), ExpiresAt: r.time(attrExpiresAt)}
	if r.string(attrKind) != "" {
		out.Secret = &idempotency.DerivedSecret{Kind: r.kind(), Public: r.string(attrPublic),
			Generation: r.int(attrGeneration), Salt: r.bytes(attrSalt), KeyVersion: r.string(attrKeyVersion)}
	}
	return out, r.err
}
