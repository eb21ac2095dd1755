package dynamo

// # Tables
//
// Each has the partition key pk and the sort key sk, both strings. Identity and Transient have the TTL attribute ttl, in
// seconds; it reclaims storage and decides nothing. Every item has a type. Times are integers in milliseconds since 1970; an
// attribute that would be zero or empty is left out.
//
// Identity has the one index, due: partition key due_shard, sort key due_at, keys only. An item is in it while it has both:
// whatever the sweeper has to look at at some time. There are 16 shards, by the ID, so that looking costs the same however
// many keys there are.
//
// # Items
//
//	table     type             pk                  sk                     ttl  bytes    written by                       read by
//	Identity  key              key_…               key                    -    < 4,096  keys, authorizer (use, remac)    authorizer, keystatus, keys
//	Identity  retired          key_… pat_…         retired#<MAC, hex>     -    < 300    keys (regenerate)                authorizer, keystatus (after a mismatch)
//	Identity  sighting         key_… pat_…         seen#<address>         yes  < 500    authorizer, keystatus            the same, keys
//	Identity  service_account  sa_…                account                -    < 3,072  serviceaccounts, keys, sweeper,  authorizer, keystatus, keys,
//	                                                                                    authorizer (lock)                serviceaccounts, sweeper
//	Identity  about            sa_…                about                  -    < 5,120  serviceaccounts                  serviceaccounts, keys
//	Identity  key_row          sa_…                key#<created>#<key_…>  -    < 600    keys                             serviceaccounts, keys
//	Identity  epoch_end        sa_…                epoch#<epoch, 10>      -    < 400    serviceaccounts                  serviceaccounts, keys
//	Identity  source           sa_… pat_…          source#<address>       yes  < 600    authorizer, keystatus            the same, serviceaccounts
//	Identity  usage            usage#<key_…>       <hour>#<verdict>#      yes  < 1,024  authorizer                       keys, rotations
//	                                               <source>#<api>#
//	                                               <method>#<route>
//	Identity  employee         emp_…               employee               -    < 3,072  setup, employees                 authorizer, employees, me, keys,
//	                                                                                                                     personalaccesstokens
//	Identity  email            email#<folded>      email                  -    < 700    setup, employees                 setup, employees
//	Identity  token            pat_…               token                  -    < 4,096  setup, personalaccesstokens,     authorizer, keystatus,
//	                                                                                    authorizer (use, lock)           personalaccesstokens
//	Identity  session          ses_…               session                yes  < 4,096  sessions, authorizer (use, lock) authorizer, keystatus, sessions
//	Identity  session_row      emp_…               session#<created>#     yes  < 300    sessions                         sessions
//	                                               <ses_…>
//	Identity  passkey          cred_…              credential             -    < 4,096  credentials, sessions, employees credentials, sessions
//	Identity  passkey_id       passkey#<SHA-256    passkey                -    < 300    credentials, employees           (conditions only)
//	                           of its ID, hex>
//	Identity  company          co_…                company                -    < 4,096  companies                        authorizer, companies, and whatever
//	                                                                                                                     has to do with one
//	Identity  role             role_…              role                   -    < 4,096  roles                            authorizer, serviceaccounts, keys,
//	                                                                                                                     roles
//	Identity  role_about       role_…              about                  -    < 4,096  roles                            roles
//	Identity  protected_api    api_…               protected_api          -    < 40,960 protectedapis                    protectedapis
//	Identity  guard            guard#<API's ID,    guard                  -    < 4,096  protectedapis                    authorizer, protectedapis
//	                           "/", stage>
//	Identity  slug             slug#<slug>         slug                   -    < 4,096  protectedapis                    protectedapis, keys, roles,
//	                                                                                                                     personalaccesstokens
//	Identity  task             task#<pol_…>        task                   yes  < 700    rotationpolicies, sweeper        sweeper
//	Directory msp              msp                 msp                    -    < 700    setup                            setup, me
//	Directory node             node_…              node                   -    < 1,500  setup, nodes                     nodes, and whatever lists by place
//	Directory policy           policy#<node_… …>   policy                 -    < 8,192  rotationpolicies                 rotationpolicies, keys,
//	                                                                                                                     serviceaccounts, sweeper
//	Directory policy_at        pol_…               policy_at              -    < 300    rotationpolicies                 rotationpolicies
//	Directory use              node_… co_… role_…  use                    -    < 300    with every create and delete     calendars, nodes, companies, keys
//	                           cal_… msp
//	Directory name             name#<noun>#<place> <folded name>          -    < 700    with every create and rename     (conditions only)
//	Directory row              list#<noun>#<place  <folded>\x00<ID>       -    < 1,400   with every create and rename     serviceaccounts, keys, …
//	                    or emp_…>
//	Directory expiry_row       list#keys_by_       <expires_at>#<key_…>   -    < 300    with every change of expires_at  (rotation)
//	                           expiry#<place>
//	Directory rotation         rot_…               rotation               -    < 40,960 rotations, keys,                 rotations, sweeper
//	                                                                                    serviceaccounts, sweeper
//	Directory rotation_row     list#rotations#     <created>#<rot_…>      -    < 400    with every rotation              rotations
//	                           <place or sa_…>
//	Directory calendar         cal_…               calendar               -    < 2,048  calendars                        calendars, policies, sweeper
//	Directory calendar_events  cal_…               events                 -    <300,000 calendars                        the same
//	Directory lease            lease#due#<shard>      lease                  -    < 200    sweeper                          (conditions only)
//	Audit     event            evt_…               event                  -    < 8,192  everything that changes state    auditevents, rotations, dispatcher
//	                                                                                                                     (stream)
//	Audit     event_row        at#<place>          <at>#<evt_…>           -    < 700    the same                         auditevents, rotations
//	Transient idempotency      idem#<scope>        idem                   yes  < 65,536 serviceaccounts, keys, setup     the same
//	Transient code             code#<inv_…>        code                   yes  < 500    employees, credentials           credentials
//	Transient letters          letters#<SHA-256    letters                yes  < 300    employees                        the same
//	                           of the folded
//	                           address, hex>
//	Transient challenge        challenge#<chl_…>   challenge              yes  < 12,288 credentials, sessions            the same
//	Transient mail_line        mail#<recipient>    line#<evt_…>           yes  < 1,024  notifier                         the same
//	Transient mailbox          mail#<recipient>    box                    yes  < 400    notifier                         the same
//	Transient mail_told        told#<evt_…>        told                   yes  < 1,024  notifier                         the same
//	Transient mail_wake        mail                <time>#<recipient>     yes  < 200    notifier                         the same
//
// An object is listed once at each place that covers it (at most 8 nodes and a company), so a subtree is one query. A personal
// access token is listed at its employee too; its rows stay when it ends.
// What people write about an account is an item beside it (none when there is nothing), so that what a verdict reads stays
// under 4 KiB, one read unit; so is what a verdict does not need of a custom role, whose item holds 80 permissions of 40
// characters. A key is 2,799 bytes at most with every scope of the catalogue; with 80 scopes of 40 characters
// it needs names without emoji to stay below.
// What a verdict reads of a protected API is an item under the API's own name; what is read to grant its scopes is one under its
// slug, which stays when the registration goes. Both are changed with it.
// Usage is in Identity although no verdict depends on it: so the authorizer, which writes it, needs no right on another table,
// and none that a pattern of keys would have to narrow. Its partition key is not the key's, so that what it is written takes
// nothing from the reads of verdicts.
// A use item is created with its node, company, custom role or calendar, and is what "there is such a place" is conditional on.
// That of a deleted company stays, closed: nothing more is counted in. That of the MSP is created with it and counts
// all employees, and the owners who can act.
// An employee's item stays as a tombstone, since a verdict reads it. A list shows employees by both their names; of a folded name
// over 960 bytes the rows keep the beginning.
// A company is one read unit of every verdict of its keys, however long the names of its account's owner.
// A calendar's events are an item of their own (none when there are none), so that a list of calendars reads none of them; its
// bound is calendar.MaxSize and what its keys and names take.
//
// # Access patterns
//
//	 1  a credential by its ID                               Verifier.Credential    BatchGetItem of 1
//	 2  all that one verdict depends on                      Verifier.Snapshot      BatchGetItem of 1 to 6
//	 3  a custom role                                        Verifier.CustomRole    GetItem
//	 4  was this digest ever one of the credential's         Verifier.Retired       GetItem, BatchGetItem for several
//	 5  a source under an account or token                   Verifier.Source        GetItem
//	 6  count a wrong secret                                 Verifier.Count         1 to 3 UpdateItem
//	 7  announce a lock                                      Verifier.Announce      TransactWriteItems
//	 8  remember a use, and its source                       Verifier.Use           1 or 2 UpdateItem, or TransactWriteItems
//	 9  a retired secret's sender, read and remembered       Verifier.Sighting, See GetItem; UpdateItem or TransactWriteItems
//	10  record a refusal                                     Verifier.Deny          TransactWriteItems
//	11  change something                                     Store.Commit           TransactWriteItems
//	12  the answer to an earlier equal call                  Store.Idempotency      GetItem
//	13  the provider, a node, a company                      Store.MSP, Node, Company
//	14  an employee, by ID or by address; a token            Store.Employee, EmployeeByEmail, Token, Tokens
//	15  an account, or up to 500 of a page                   Store.Account, Accounts Query, BatchGetItem
//	16  a key, or up to 500 of a page                        Store.Key, Keys
//	17  an account's keys, newest first                      Store.AccountKeys      Query
//	18  an account's live keys                               Store.LiveKeys         Query
//	19  when and why an account's issue epochs ended         Store.EpochEnds        Query
//	20  who fails against an account or token                Store.Sources          Query
//	21  who still sends a retired secret                     Store.Sightings        Query
//	22  accounts, keys, calendars … of a subtree, by name    Store.List             Query
//	23  the audit records of a subtree, by time and filter   Store.AuditEvents      Query, BatchGetItem
//	24  an audit record by its ID                            Store.AuditEvent       GetItem
//	25  keep the answer to a call that changed nothing       Store.Remember         TransactWriteItems
//	26  an audit record as the stream delivers it            EventOfImage           (no call)
//	27  what is due in a shard, by time                     Store.Due, Reschedule  Query of the index; UpdateItem
//	28  a rotation; those of a subtree or an account         Store.Rotation, Rotations
//	29  count what a key was used for                        Verifier.Tally         UpdateItem, 2 where a later one was first
//	30  what a key was used for, by hour                     Store.Usage            Query
//	31  who sent wrong secrets for a key                     Store.WrongSecrets     Query
//	32  a policy by its ID                                   Store.Policy           GetItem, twice
//	33  the policies of places and accounts, or of a page    Store.PoliciesOf       BatchGetItem
//	34  what changes of policies left to be done             Store.Tasks            BatchGetItem
//	35  note how far that has come                           Store.AdvanceTask      UpdateItem
//	36  how many digests each pepper has (a tool)            CountPepperUse         Scan, paced
//	37  a calendar with its events; those of a page          Store.Calendar, Calendars Query, BatchGetItem
//	38  take a shard of what is due for a run, give it back  Store.Lease, Release   UpdateItem
//	39  the nodes of a page; what stands at a place          Store.Nodes, Contents  BatchGetItem, GetItem
//	40  put what people are to be told of an event           Store.AddLines         TransactWriteItems, GetItem of a repeat
//	41  when to look at a recipient of mail                  Store.Wake, Unwake     UpdateItem; TransactWriteItems
//	42  which recipients are due, by time                    Store.Wakes            Query
//	43  what waits for a recipient                           Store.Mailbox          Query
//	44  claim a recipient, note a message, take lines away   Store.SaveBox          UpdateItem, TransactWriteItems with lines
//	45  a custom role, those of a page, who has one          Store.Role, Roles,     Query, BatchGetItem,
//	                                                         Assigned               GetItem
//	46  the companies of a page                              Store.Companies        BatchGetItem
//	47  the employees of a page; how many there are          Store.Employees, Headcount  BatchGetItem, GetItem
//	48  reserve a try of a one-time code, give it back       Store.TakeTry, ReturnTry  UpdateItem
//	49  a session; an employee's, newest first               Store.Session, Sessions GetItem; Query, BatchGetItem
//	50  an employee's passkeys; one                          Store.Passkeys, Passkey BatchGetItem; GetItem
//	51  begin a ceremony of a passkey; take it away          Store.PutChallenge, TakeChallenge  UpdateItem
//	52  a registration, those of a page, that of a stage     Store.ProtectedAPI, ProtectedAPIs, GetItem, BatchGetItem
//	                                                         Registered
//	53  what APIs declare, by their slugs                    Store.Declared         BatchGetItem
//	54  what a credential carries                            Store.ScopesOf         BatchGetItem of 1
//	55  what letters with codes went to an address           Store.Letters          GetItem
//
// What holds for an account (policy.Resolve) is one call of pattern 33 with its own ID, its company's and its nodes': 2 to 10
// items, each one read unit whether or not it is there, two when a policy is over 4 KiB (many long addresses). It is read when a
// secret is made and when an end is set; no verdict reads it.

// Tables are the physical names. A function gets only those that it uses; the others may be empty.
type Tables struct {
	Identity  string
	Directory string
	Audit     string
	Transient string
}

// Attributes of every table.
const (
	attrPK   = "pk"
	attrSK   = "sk"
	attrType = "type"
	attrTTL  = "ttl"
)

// Values of type.
const (
	typeKey         = "key"
	typeRetired     = "retired"
	typeSighting    = "sighting"
	typeAccount     = "service_account"
	typeAbout       = "about"
	typeKeyRow      = "key_row"
	typeEpochEnd    = "epoch_end"
	typeSource      = "source"
	typeEmployee    = "employee"
	typeEmail       = "email"
	typeCode        = "code"
	typeLetters     = "letters"
	typeToken       = "token"
	typeSession     = "session"
	typeSessionRow  = "session_row"
	typePasskey     = "passkey"
	typePasskeyID   = "passkey_id"
	typeChallenge   = "challenge"
	typeCompany     = "company"
	typeRole        = "role"
	typeRoleAbout   = "role_about"
	typeGuard       = "guard"
	typeSlug        = "slug"
	typeMSP         = "msp"
	typeNode        = "node"
	typeUse         = "use"
	typeName        = "name"
	typeRow         = "row"
	typeExpiryRow   = "expiry_row"
	typeRotation    = "rotation"
	typeRotationRow = "rotation_row"
	typeEvent       = "event"
	typeEventRow    = "event_row"
	typeIdempotency = "idempotency"
	typeUsage       = "usage"
	typePolicy      = "policy"
	typePolicyAt    = "policy_at"
	typeTask        = "task"
)

// Attributes of what people name and administer. Version is the ETag; event_seq counts the audit records on the object.
const (
	attrName          = "name"
	attrDescription   = "description"
	attrStatus        = "status"
	attrNodePath      = "node_path" // IDs of the nodes from the root, joined with "/"
	attrCompany       = "company"
	attrPackage       = "package_id"
	attrRoleID        = "role_id"
	attrContacts      = "contacts"
	attrExternalID    = "external_id"
	attrTags          = "tags"
	attrCreatedBy     = "created_by"
	attrCreatedByName = "created_by_name"
	attrCreatedAt     = "created_at"
	attrUpdatedAt     = "updated_at"
	attrVersion       = "version"
	attrEventSeq      = "event_seq"
	attrParent        = "parent"
	attrRootNode      = "root_node"
	attrMSP           = "msp_id"
	attrEmail         = "email"
	attrFirstName     = "first_name"
	attrLastName      = "last_name"
	attrEmployee      = "employee_id"
	attrLockThreshold = "lock_threshold" // of an account whose lock has other numbers than the default
	attrLockWindow    = "lock_window"    // seconds
	attrLockDuration  = "lock_duration"  // seconds
	attrLockStrict    = "lock_strict"
	attrPermissions   = "perms"       // a role's, blank-separated
	attrOwnAccount    = "perms_own"   // the part that reaches only the holder's own account
	attrAssignableTo  = "assignables" // blank-separated
)

// Attributes of employees and of one-time codes.
const (
	attrPasskeys     = "passkeys"      // blank-separated
	attrSessionEpoch = "session_epoch" // a session of another one has ended
	attrCompanyEpoch = "company_epoch" // the session epoch of the company that a session is inside
	attrTokenEpoch   = "token_epoch"   // a personal access token of another one has ended
	attrCode         = "code_id"
	attrCodeSentAt   = "code_sent_at"
	attrCodeExpires  = "code_expires_at"
	attrLetters      = "letters" // when they were sent
	attrInvitedFrom  = "invited_from"
	attrLastSignInAt = "last_sign_in_at" // only a sign-in sets it
	attrRevision     = "revision"

	attrEnrols  = "enrols" // of a token of set-up or a recovery
	attrPurpose = "purpose"
	attrUsedAt  = "used_at"
)

// Attributes of passkeys and of challenges.
const (
	attrPasskey      = "signed_in_with" // with which a session began
	attrRPID         = "rp_id"
	attrCredentialID = "credential_id"
	attrPublicKey    = "public_key"
	attrAlgorithm    = "algorithm"
	attrAAGUID       = "aaguid"
	attrTransports   = "transports" // blank-separated
	attrSignCount    = "sign_count"
	attrFlags        = "flags"
	attrSignedBy     = "signed_by"
	attrKept         = "kept"
	attrProof        = "proof"
)

// Attributes of credentials.
const (
	attrKind       = "kind" // the letter of token.Kind
	attrAccount    = "account"
	attrScopes     = "scopes" // blank-separated
	attrRoleHint   = "role_hint"
	attrGeneration = "generation"
	attrIssueEpoch = "issue_epoch"
	attrMAC        = "mac"    // 32 bytes
	attrPepper     = "pepper" // version of the pepper under the MAC
	attrOff        = "is_off"
	attrEndedAt    = "ended_at"
	attrEndedBy    = "ended_by"
	attrEndReason  = "end_reason"
	attrExpiresAt  = "expires_at"
	attrNoticeFrom = "notice_from"
	attrSecretFrom = "regenerated_at"
	attrRevokedAt  = "revoked_at"
	attrRetiredAt  = "retired_at"
	attrRotation   = "rotation"
	attrSuperseded = "superseded_by"
	attrDueShard   = "due_shard"
	attrDueAt      = "due_at"

	attrAnnouncedAt = "announced_at"
	attrRotateAt    = "rotate_at"
)

// Protected APIs: their type and attributes.
const (
	typeProtectedAPI = "protected_api"

	attrSlug        = "slug"
	attrGateway     = "api_id"
	attrContextOnly = "context_only"
	attrRoutes      = "routes"   // protectedapi.Guard.Routes
	attrDeclared    = "declared" // a JSON array of scopes; beside a slug a list of their names, each with its kind
)

// Leases of the shards of what is due.
const (
	typeLease = "lease"

	attrHolder = "holder" // a run
	attrUntil  = "until"
)

// Calendars: their types and attributes.
const (
	typeCalendar       = "calendar"
	typeCalendarEvents = "calendar_events"

	attrTimeZone   = "time_zone"
	attrEventCount = "event_count"
	attrEvents     = "events" // a JSON array
)

// Attributes of rotations. Durations are in nanoseconds.
const (
	attrMode          = "mode"
	attrOldKey        = "old_key"
	attrNewKey        = "new_key"
	attrOverlap       = "overlap"
	attrQuietFor      = "quiet_for"
	attrRetireOnQuiet = "retire_on_quiet"
	attrExtendOnce    = "extend_once"
	attrPolicy        = "policy"
	attrReason        = "reason"
	attrSuspected     = "suspected_since"
	attrOverlapEnds   = "overlap_ends_at"
	attrFormerExpires = "former_expires_at"
	attrFormerNotice  = "former_notice_from"
	attrExtended      = "extended"
	attrSteps         = "steps"    // a JSON array
	attrDelivery      = "delivery" // a JSON object
	attrPlanned       = "planned"  // a JSON object
)

// Attributes that requests change and administrators do not: no administrative update sets them.
const (
	attrLastUsedAt      = "last_used_at" // of the first request in its minute
	attrUsedGen         = "used_gen"
	attrKeysVersion     = "keys_version"
	attrKeyCount        = "key_count"
	attrLockEpoch       = "lock_epoch"
	attrFailures        = "failures"
	attrThreshold       = "threshold"
	attrWindowEnds      = "window_ends"
	attrLockEnds        = "lock_ends"
	attrLastFailure     = "last_failure"
	attrAnnounced       = "announced"
	attrAuthenticatedAt = "authenticated_at"
	attrUserAgent       = "user_agent"
	attrKeyID           = "key_id"
	attrLastAt          = "last_at"
	attrSeenCount       = "seen_count"
	attrRecordedAt      = "recorded_at"
	attrRetiredSeenAt   = "retired_seen_at"
	attrUses            = "uses"
	attrFirstAt         = "first_at"
)

// Counters of a use item.
const (
	attrServiceAccounts = "service_accounts" // at a place, or with a custom role
	attrCompanies       = "companies"
	attrEmployees       = "employees" // likewise
	attrChildren        = "children"
	attrCalendars       = "calendars"
	attrPolicies        = "policies" // rotation policies that are attached to a place, or name a calendar
	attrRoles           = "roles"
	attrProtectedAPIs   = "protected_apis"
	attrOwners          = "owners" // of the MSP: those who can act

	attrActiveAccounts = "active_accounts" // of a company: those that are not revoked
	attrKeySum         = "key_sum"         // of a company: see apikey.Room
	attrClosed         = "closed"          // true once the company is deleted
)

// Attributes of rows.
const (
	attrID    = "id"    // of what is listed, or of what holds a name or an address
	attrPlace = "place" // the ID of the object's own place
)

// Attributes of audit records and their rows.
const (
	attrSeq            = "seq"
	attrAt             = "at"
	attrAction         = "action"
	attrActorType      = "actor_type"
	attrActorID        = "actor_id"
	attrActorName      = "actor_name"
	attrActorKey       = "actor_key"
	attrActorPrefix    = "actor_key_prefix"
	attrAssumedCompany = "assumed_company"
	attrTargetType     = "target_type"
	attrTargetID       = "target_id"
	attrTargetName     = "target_name"
	attrSourceIP       = "source_ip"
	attrRequestID      = "request_id"
	attrOutcome        = "outcome"
	attrDetails        = "details" // a JSON object
	attrOperation      = "operation"
)

// Attributes of policies and of their tasks.
const (
	attrAttachedKind = "attached_kind"
	attrAttachedID   = "attached_id"
	attrFields       = "fields" // a JSON object of what the policy sets
	attrStage        = "stage"  // policy.Stage
	attrCursor       = "cursor"
)

// Mail: its types and attributes.
const (
	typeLine = "mail_line"
	typeBox  = "mailbox"
	typeTold = "mail_told"
	typeWake = "mail_wake"

	attrRecipients = "recipients" // blank-separated
	attrMark       = "mark"
	attrUrgent     = "urgent"
	attrSentAt     = "sent_at"
	attrFurtherAt  = "further_at"
	attrRetryAt    = "retry_at"
	attrTries      = "tries"
	attrClaim      = "claim"
	attrClaimUntil = "claim_until"
)

// Attributes of idempotency records.
const (
	attrFingerprint = "fingerprint"
	attrHTTPStatus  = "http_status"
	attrETag        = "etag"
	attrBody        = "body"
	attrPublic      = "public"
	attrSalt        = "salt"
	attrKeyVersion  = "key_version"
)
