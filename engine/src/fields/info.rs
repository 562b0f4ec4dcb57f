//! The row of a field: name, type, argument, description, attributes, and how its value is computed.

use scap_capture_format::schema::PrintFormat;

use super::attributes::{
    ArgNames, Attributes, ByType, Carrier, Listing, Narrow, Needs, NoPayload, Role, Scope, Source,
    TimeLiterals, Unit,
};
use super::{Context, Field, Scratch, Value, classes};

bitflags::bitflags! {
    /// Restrictions on the use of a field, and properties of its values.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FieldFlags: u16 {
        /// Has no text form: usable only in conditions.
        const FILTER_ONLY = 1;
        /// Has only a text form: not usable in conditions.
        const PRINT_ONLY = 2;
        /// Meant for the columns of views; usable everywhere.
        const TABLE_ONLY = 4;
        /// Not usable as the right-hand side of a condition.
        const NO_RHS = 8;
        /// Transformers do not apply.
        const NO_TRANSFORMER = 16;
        /// Kept for old filters.
        const DEPRECATED = 32;
        /// Has any number of values.
        const IS_LIST = 64;
        /// Without an argument it has several values, of which any may match a condition.
        const ANY = 128;
        /// Scripts that use it are written for captures with enter events, which are synthesised for them.
        const WANTS_ENTER = 256;
        /// Not in sysdig or Falco.
        const OURS = 512;
        /// A list with an argument as well.
        const LIST_BY_INDEX = 1024;
    }
}

/// Type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    Text,
    /// A buffer.
    Bytes,
    /// A signed number.
    Int,
    /// An unsigned number.
    Uint,
    /// A truth value.
    Bool,
    /// An interval in nanoseconds.
    Interval,
    /// Nanoseconds since the epoch.
    Time,
    /// A floating point number.
    Double,
    /// An IP address.
    Ip,
    /// An IP address, compared with networks.
    Net,
    /// A port.
    Port,
    /// The type of the event's parameter.
    Dynamic,
}

/// The form of a field's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgForm {
    /// No argument.
    None,
    /// A required number in brackets.
    Index,
    /// An optional number in brackets.
    OptIndex,
    /// A required name after a dot, or a name or number in brackets.
    Key,
    /// An optional name after a dot, or a name or number in brackets.
    OptKey,
}

/// How a value is computed.
pub(super) type Extract = for<'a> fn(&'a Field, &Context<'a>, &'a mut Scratch) -> Option<Value<'a>>;

/// A field.
///
/// A row is made by the constructor of its type and declares with [`Self::of_event`],
/// [`Self::of_thread`] or a similar method what its value comes from. Without such a declaration
/// the field has the [strictest attributes](Attributes::STRICTEST): slow, but never wrong.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Its name without argument.
    pub name: &'static str,
    /// A short description.
    pub description: &'static str,
    /// The type of its value.
    pub ty: FieldType,
    /// The type used in conditions; in sysdig's libraries some times are intervals and vice versa.
    pub compared_as: FieldType,
    /// How numbers print.
    pub format: PrintFormat,
    /// Its argument.
    pub arg: ArgForm,
    /// Restrictions.
    pub flags: FieldFlags,
    /// Why the field is always absent; `None` for all other fields.
    pub unanswerable: Option<&'static str>,
    /// What the rest of the program may conclude about its values.
    pub attributes: Attributes,
    pub(super) extract: Extract,
}

impl FieldInfo {
    const fn new(
        name: &'static str,
        description: &'static str,
        ty: FieldType,
        extract: Extract,
    ) -> Self {
        let mut attributes = Attributes::STRICTEST;
        if matches!(ty, FieldType::Interval | FieldType::Time) {
            attributes.unit = Unit::Nanoseconds;
        }
        Self {
            name,
            description,
            ty,
            compared_as: ty,
            format: PrintFormat::Dec,
            arg: ArgForm::None,
            flags: FieldFlags::empty(),
            unanswerable: None,
            attributes,
            extract,
        }
    }

    /// Returns the class: the longest matching prefix.
    pub fn class(&self) -> &'static str {
        classes::of(self.name).unwrap_or(self.name)
    }

    /// Returns true if the detail pane shows the field.
    pub fn is_detail(&self) -> bool {
        let unfit = FieldFlags::FILTER_ONLY | FieldFlags::TABLE_ONLY | FieldFlags::ANY;
        let is_part = matches!(self.attributes.unit, Unit::Seconds | Unit::NanosecondPart);
        let is_old = self.flags.contains(FieldFlags::DEPRECATED);
        let needs_argument = matches!(self.arg, ArgForm::Index | ArgForm::Key);
        let is_shown = match self.attributes.listing {
            Listing::First(_) => true,
            Listing::Listed => !is_old,
            Listing::Hidden => false,
        };
        is_shown
            && self.unanswerable.is_none()
            && !(needs_argument || is_part)
            && !self.flags.intersects(unfit)
            && !self.attributes.needs.contains(Needs::HISTORY)
    }

    pub(super) const fn format(mut self, format: PrintFormat) -> Self {
        self.format = format;
        self
    }

    pub(super) const fn arg(mut self, form: ArgForm) -> Self {
        self.arg = form;
        self
    }

    pub(super) const fn arg_names(mut self, names: ArgNames) -> Self {
        self.attributes.arg_names = names;
        self
    }

    pub(super) const fn flag(mut self, flag: FieldFlags) -> Self {
        self.flags = self.flags.union(flag);
        self
    }

    /// The value is always absent, so it depends on nothing.
    pub(super) const fn never(mut self, why: &'static str) -> Self {
        self.unanswerable = Some(why);
        self.extract = na;
        self.needs(Needs::NOTHING)
    }

    /// The value comes from the event and the state around it.
    pub(super) const fn of_event(self) -> Self {
        self.needs(Needs::NOTHING)
    }

    /// The value depends only on the event's type.
    pub(super) const fn of_type(mut self, by_type: ByType) -> Self {
        self.attributes.by_type = Some(by_type);
        self.extract = self::by_type;
        self.needs(Needs::NOTHING)
    }

    /// The value comes from the state of the event's thread.
    pub(super) const fn of_thread(mut self) -> Self {
        self.attributes.scope = Scope::Thread;
        self.needs(Needs::NOTHING)
    }

    /// The value comes from the event's fd; events without an fd never have one.
    pub(super) const fn of_fd(mut self) -> Self {
        self.attributes.carrier = Carrier::Fd;
        self.of_thread()
    }

    /// The value comes from the JSON of a plugin's event; other events never have one.
    pub(super) const fn of_plugin(mut self) -> Self {
        self.attributes.carrier = Carrier::Plugin;
        self.attributes.source = Source::Audit;
        self.of_event()
    }

    /// The value comes from an alert that was recorded; other events never have one.
    pub(super) const fn of_alert(mut self) -> Self {
        self.attributes.carrier = Carrier::Alert;
        self.of_event()
    }

    /// The value comes from the id of the thread's container.
    pub(super) const fn of_container(mut self) -> Self {
        self.attributes.scope = Scope::Container;
        self.needs(Needs::NOTHING)
    }

    /// The value comes from the container runtime's description of the thread's container.
    pub(super) const fn of_runtime(self) -> Self {
        self.of_container().needs(Needs::RUNTIME)
    }

    /// Events of every source have the value.
    pub(super) const fn of_every_source(mut self) -> Self {
        self.attributes.source = Source::Every;
        self
    }

    /// Declares what the value requires besides the event and the state around it.
    pub(super) const fn needs(mut self, needs: Needs) -> Self {
        self.attributes.needs = needs;
        self
    }

    /// Excepts arguments from [`Needs::PAYLOAD`].
    pub(super) const fn no_payload_if(mut self, no_payload: NoPayload) -> Self {
        self.attributes.no_payload_if = no_payload;
        self
    }

    pub(super) const fn role(mut self, role: Role) -> Self {
        self.attributes.role = role;
        self
    }

    pub(super) const fn unit(mut self, unit: Unit) -> Self {
        self.attributes.unit = unit;
        self
    }

    pub(super) const fn times(mut self, times: TimeLiterals) -> Self {
        self.attributes.times = Some(times);
        self
    }

    pub(super) const fn compared_as(mut self, ty: FieldType) -> Self {
        self.compared_as = ty;
        self
    }

    pub(super) const fn listing(mut self, listing: Listing) -> Self {
        self.attributes.listing = listing;
        self
    }

    pub(super) const fn narrow(mut self, narrow: Narrow) -> Self {
        self.attributes.narrow = narrow;
        self
    }
}

macro_rules! constructors {
    ($($name:ident $ty:ident,)*) => {$(
        pub(super) const fn $name(
            name: &'static str,
            description: &'static str,
            extract: Extract,
        ) -> FieldInfo {
            FieldInfo::new(name, description, FieldType::$ty, extract)
        }
    )*};
}

constructors! {
    text Text,
    bytes Bytes,
    int Int,
    uint Uint,
    boolean Bool,
    interval Interval,
    time Time,
    double Double,
    ip Ip,
    net Net,
    port Port,
    dynamic Dynamic,
}

/// The extractor of fields that are always absent.
pub(super) fn na<'a>(_: &'a Field, _: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    None
}

/// The extractor of fields that depend only on the event's type.
pub(super) fn by_type<'a>(
    field: &'a Field,
    cx: &Context<'a>,
    _: &'a mut Scratch,
) -> Option<Value<'a>> {
    field.info.attributes.by_type?(cx.event.ty)
}

/// See [`super::plain`].
pub(super) static PLAIN: FieldInfo = text("", "", na).of_event();
