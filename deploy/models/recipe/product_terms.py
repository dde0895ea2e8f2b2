"""
The vocabulary of the product grammar, written for this build: what shops sell, department by department, in the words
of people who sell and search. Brands, model numbers and series are invented by `product_text.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


def words(text: str) -> list[str]:
    """Splits a comma-separated list."""
    return [word.strip() for word in text.replace("\n", " ").split(",") if word.strip()]


@dataclass(frozen=True)
class Department:
    """One part of a shop: `kinds` are things for sale, the rest is what is said about them."""

    kinds: list[str]
    traits: list[str]
    features: list[str]
    materials: list[str]
    uses: list[str]
    measures: list[str]
    """Measures with `#` for a number: "# inch", "# GB"."""


def department(kinds: str, traits: str, features: str, materials: str, uses: str, measures: str) -> Department:
    """Builds a department from comma-separated lists."""
    return Department(words(kinds), words(traits), words(features), words(materials), words(uses), words(measures))


ELECTRONIC_MATERIALS = "aluminium, plastic, magnesium alloy, brushed metal, ABS, tempered glass, carbon fibre, stainless steel, silicone, rubber"

DEPARTMENTS: dict[str, Department] = {
    "computers": department(
        """laptop, notebook, ultrabook, gaming laptop, convertible laptop, 2-in-1 tablet, chromebook, desktop computer, desktop PC, mini PC,
        all-in-one PC, workstation, tower server, rack server, thin client, barebone, tablet, tablet computer, e-reader, netbook, rugged tablet,
        drawing tablet, single-board computer, handheld computer, mobile workstation""",
        """lightweight, thin, powerful, refurbished, fanless, silent, rugged, convertible, portable, business, entry-level, high-performance, touchscreen, budget, premium, student""",
        """backlit keyboard, fingerprint reader, webcam with privacy shutter, long battery life, solid-state drive, dedicated graphics card,
        quad-core processor, octa-core processor, DDR4 memory, DDR5 memory, operating system preinstalled, no operating system, stylus support,
        IPS display, OLED screen, anti-glare screen, Thunderbolt port, fast charging, Wi-Fi 6, gigabit Ethernet, numeric keypad, spill-resistant keyboard,
        discrete GPU, hyper-threading, turbo boost, TPM security chip, memory card slot, hot-swap drive bays, redundant power supply""",
        ELECTRONIC_MATERIALS,
        """work, study, school, university, office, gaming, video editing, programming, travel, business trips, web browsing, streaming, 3D rendering, photo editing, note taking, remote work""",
        "# inch, # GB RAM, # GB SSD, # TB HDD, # GHz, # cores, # Wh battery, # hours, # kg, # x # pixels, # Hz, # MB cache",
    ),
    "components": department(
        """graphics card, video card, processor, CPU, motherboard, mainboard, memory module, RAM kit, power supply unit, PSU, computer case, PC case, midi tower,
        CPU cooler, liquid cooler, case fan, thermal paste, heat sink, sound card, network card, wireless adapter, RAID controller, TV tuner card, capture card,
        PCI Express card, riser cable, M.2 heatsink, optical drive, DVD burner, Blu-ray writer, drive bay, fan controller, barebone kit""",
        """modular, overclocked, low-profile, low-noise, RGB, passive, dual-channel, unbuffered, registered, ECC, semi-passive, internal, external, slim, high-airflow, entry-level""",
        """80 Plus Gold certified, PWM control, ray tracing, HDMI output, DisplayPort outputs, PCI Express 4.0, heat pipes, addressable lighting, GDDR6 memory,
        AM4 socket, LGA socket, ATX form factor, micro-ATX, mini-ITX, hydraulic bearing, overvoltage protection, short circuit protection, tempered glass panel, dust filter,
        XMP profile, CL16 latency, low power consumption, tool-free mounting""",
        "aluminium, copper, nickel-plated copper, steel, tempered glass, plastic, brass",
        "gaming, overclocking, servers, workstations, home theatre PCs, quiet computers, upgrades, rendering, machine learning, small builds",
        "# GB, # W, # mm, # RPM, # MHz, # dB, # pin, # bit, # CFM, # GT/s, # phases",
    ),
    "storage": department(
        """solid state drive, SSD, external SSD, hard disk, hard drive, external hard drive, portable hard disk, USB flash drive, USB stick, thumb drive, pen drive,
        SD card, micro SD card, CompactFlash card, memory card, card reader, network storage, NAS, NAS enclosure, drive enclosure, docking station for drives, tape cartridge,
        tape drive, blank DVD, blank CD, recordable disc, backup drive, RAID array, disk array, NVMe drive, hybrid drive""",
        """internal, external, portable, encrypted, shockproof, waterproof, high-capacity, fast, rugged, enterprise, surveillance, industrial, compact, durable, refurbished""",
        """SATA III interface, NVMe PCIe interface, USB 3.0 connection, USB-C connector, hardware encryption, password protection, read speed up to 500 MB/s, class 10,
        UHS-I, adapter included, automatic backup software, drop resistance, low power, hot-swappable, wear levelling, TLC flash, SLC cache, 7200 rpm spindle, retractable connector, key ring loop""",
        "aluminium, plastic, rubber, metal, silicone",
        "backup, cameras, drones, phones, dashcams, consoles, archiving, file sharing, photographers, surveillance systems, servers, laptops, media libraries",
        "# GB, # TB, # MB/s, # rpm, # inch, # bays, # pack, # Gbit/s, # year warranty, # MB cache",
    ),
    "displays": department(
        """monitor, computer monitor, LED monitor, LCD monitor, gaming monitor, curved monitor, ultrawide monitor, portable monitor, touch monitor, television, TV, smart TV,
        LED TV, OLED TV, plasma TV, digital signage display, video wall, interactive whiteboard, projector, home cinema projector, pocket projector, projection screen, projector screen,
        projector lamp, projector mount, monitor arm, TV wall mount, TV stand, monitor stand, screen protector, privacy filter, digital photo frame""",
        """Full HD, 4K, Ultra HD, 8K, HD ready, widescreen, curved, flat, frameless, height-adjustable, anti-glare, matte, glossy, wall-mountable, motorised, tiltable, portable, short-throw""",
        """IPS panel, VA panel, HDR support, adaptive sync, low blue light, flicker-free backlight, built-in speakers, VESA mount, pivot function, HDMI inputs, DisplayPort, VGA input,
        DVI-D port, USB hub, high contrast ratio, wide viewing angle, smart TV apps, voice remote, digital tuner, satellite tuner, Wi-Fi screen mirroring, keystone correction, 1 ms response time, ambient light sensor""",
        "plastic, metal, glass, steel, aluminium, fabric, vinyl",
        "office, gaming, movies, home cinema, meeting rooms, classrooms, presentations, designers, photo editing, conference rooms, shop windows, outdoor cinema, trading desks",
        "# inch, # cm, # Hz, # cd/m2, # ms, # lumens, # x # pixels, # W, #:9, # kg, # mm VESA, # nits",
    ),
    "printing": department(
        """inkjet printer, laser printer, printer, multifunction printer, all-in-one printer, photo printer, label printer, thermal printer, receipt printer, dot matrix printer, 3D printer,
        large format printer, plotter, scanner, document scanner, flatbed scanner, barcode scanner, fax machine, photocopier, ink cartridge, toner cartridge, toner, ink tank, ink bottle, drum unit,
        imaging drum, fuser, maintenance kit, print head, waste toner box, transfer belt, printer ribbon, label tape, label roll, photo paper, copy paper, thermal paper, paper tray, duplex unit, print server, filament""",
        """black, cyan, magenta, yellow, tri-colour, high-yield, extra high capacity, original, compatible, remanufactured, colour, monochrome, wireless, compact, duplex, dye-based, pigment-based, borderless, twin-pack, glossy""",
        """automatic duplex printing, automatic document feeder, wireless printing, mobile printing, Ethernet port, touchscreen control panel, borderless photo printing, scan to email, scan to cloud,
        individual ink cartridges, low running costs, quiet mode, copy and fax, card slot, large paper tray, ISO yield, fade resistant, smudge-free, easy to replace, chip included""",
        "plastic, paper, polyester, resin, vinyl, polypropylene",
        "home, office, photos, invoices, labels, shipping labels, documents, homework, posters, receipts, business cards, archives, warehouses, blueprints",
        "# pages, # ppm, # ml, # dpi, # sheets, # g/m2, # mm, # m, # pack, # copies, # inch",
    ),
    "input": department(
        """keyboard, wireless keyboard, mechanical keyboard, gaming keyboard, ergonomic keyboard, numeric keypad, mouse, wireless mouse, gaming mouse, vertical mouse, trackball, touchpad, presenter, laser pointer,
        mouse pad, mouse mat, desk mat, wrist rest, keyboard and mouse set, joystick, gamepad, game controller, racing wheel, flight stick, graphics tablet, stylus, stylus pen, digital pen, barcode reader, keycaps, keyboard cover""",
        """wireless, wired, optical, laser, ergonomic, silent, left-handed, backlit, compact, mechanical, rechargeable, programmable, waterproof, foldable, washable, tenkeyless, ambidextrous""",
        """adjustable DPI, red switches, blue switches, multimedia keys, hot keys, macro keys, USB receiver, Bluetooth pairing, RGB lighting, palm rest, anti-ghosting, scroll wheel, side buttons, non-slip base,
        stitched edges, memory foam, plug and play, vibration feedback, pressure sensitivity, QWERTY layout, AZERTY layout, QWERTZ layout""",
        "plastic, ABS, aluminium, rubber, cloth, silicone, leatherette, gel, neoprene, PBT",
        "gaming, typing, office work, presentations, laptops, tablets, smart TVs, designers, left-handers, shooters, racing games, consoles, drawing, PC",
        "# dpi, # buttons, # keys, # mm, # m cable, # hours, # g, # GHz, # levels, # Hz polling",
    ),
    "cables": department(
        """HDMI cable, USB cable, USB-C cable, charging cable, lightning cable, micro USB cable, extension cable, network cable, Ethernet cable, patch cable, fibre optic cable, coaxial cable, antenna cable, audio cable,
        speaker cable, optical audio cable, RCA cable, power cable, power cord, VGA cable, DVI cable, DisplayPort cable, SATA cable, SCSI cable, serial cable, KVM cable, adapter, HDMI adapter, USB adapter, travel adapter, plug adapter,
        DVI to VGA adapter, splitter, signal converter, gender changer, coupler, USB hub, docking station, port replicator, KVM switch, HDMI switch, card adapter, cable ties, cable duct, connector, keystone jack, patch panel""",
        """braided, shielded, gold-plated, flat, coiled, angled, high-speed, male to female, male to male, retractable, short, long, halogen-free, unshielded, snagless, crossover, bidirectional, powered, active""",
        """gold-plated connectors, nylon braiding, data transfer and charging, 4K at 60 Hz, power delivery, fast charging, strain relief, plug and play, no driver needed, audio return channel, double shielding,
        individual power switches, overcurrent protection, locking connector, backward compatible, tangle-free, reversible plug, aluminium housing""",
        "copper, PVC, nylon, gold, aluminium, tinned copper, TPE, nickel",
        "TV, monitors, laptops, phones, consoles, home networks, servers, hi-fi, set-top boxes, cars, data centres, tablets, travel, external drives",
        "# m, # ft, # port, # pin, # Gbit/s, # W, # A, # pack, # way, # cm, # AWG, # V",
    ),
    "networking": department(
        """router, wireless router, Wi-Fi router, mesh system, access point, Wi-Fi repeater, range extender, network switch, managed switch, PoE switch, modem, cable modem, DSL modem, 4G router, powerline adapter,
        firewall, VPN gateway, media converter, transceiver module, SFP module, network adapter, antenna, IP phone, VoIP phone, conference phone, network camera, IP camera, rack cabinet, server rack, PoE injector, wireless bridge, Bluetooth dongle""",
        """dual-band, tri-band, gigabit, unmanaged, managed, stackable, outdoor, rack-mountable, desktop, wireless, high-gain, fanless, smart, weatherproof, industrial""",
        """guest network, parental controls, MU-MIMO, beamforming, WPA3 encryption, quality of service, VLAN support, port mirroring, power over Ethernet, SNMP management, one-touch setup, app control, external antennas,
        link aggregation, night vision, motion detection, two-way audio, SIM card slot, web interface, layer 3 routing""",
        "plastic, metal, steel, aluminium",
        "home, office, small business, large houses, streaming, online gaming, data centres, warehouses, surveillance, hotels, campuses, garages",
        "# ports, # Mbps, # Gbps, # GHz, # dBi, # W, # U, # users, # m range, # km",
    ),
    "phones": department(
        """smartphone, mobile phone, cell phone, feature phone, dual SIM phone, cordless phone, desk phone, phone case, phone cover, wallet case, flip cover, screen protector, phone holder, car phone mount, phone charger,
        wireless charger, charging pad, car charger, power bank, portable charger, replacement battery, selfie stick, headset, SIM adapter, pop grip, charging station, walkie-talkie, answering machine, baby monitor, senior phone""",
        """unlocked, dual SIM, refurbished, shockproof, waterproof, transparent, slim, magnetic, rugged, folding, wireless, fast, compact, universal, protective, soft-touch, corded, cordless""",
        """triple camera, face unlock, fingerprint sensor, 5G support, LTE, expandable memory, quick charge, wireless charging, raised edges, card slots, kickstand, belt clip, nano coating, overcharge protection,
        two USB outputs, LED charge indicator, caller ID, speakerphone, call blocking, hands-free, large buttons, emergency button""",
        "silicone, leather, TPU, polycarbonate, tempered glass, aluminium, faux leather, rubber, bamboo",
        "travel, car, bike, everyday use, hiking, seniors, children, work, outdoor, emergencies, tablets, earbuds, camping",
        "# mAh, # inch, # MP, # GB, # W, # hours talk time, # A, # km range, # pack, # mm",
    ),
    "audio": department(
        """headphones, wireless headphones, Bluetooth headphones, noise cancelling headphones, earphones, earbuds, in-ear headphones, true wireless earbuds, over-ear headphones, headset, gaming headset, speaker, Bluetooth speaker, portable speaker,
        bookshelf speakers, floor-standing speakers, subwoofer, soundbar, home theatre system, AV receiver, amplifier, turntable, record player, CD player, radio, clock radio, DAB radio, internet radio, MP3 player, microphone, USB microphone,
        voice recorder, mixer, PA system, car stereo, car speakers, hi-fi system, smart speaker, karaoke machine, studio monitors, ceiling speaker, boombox, headphone amplifier""",
        """wireless, noise-cancelling, waterproof, portable, on-ear, over-ear, in-ear, closed-back, open-back, stereo, active, passive, foldable, sweatproof, retro, powered, two-way, 5.1-channel, lightweight, rechargeable""",
        """deep bass, built-in microphone, active noise cancellation, Bluetooth 5.0, multipoint pairing, touch controls, charging case, replaceable ear pads, detachable cable, voice assistant, AUX input, FM tuner, remote control,
        sleep timer, alarm function, karaoke mode, Dolby decoding, phono input, equaliser, party lights, cardioid pattern, USB playback, preset stations, iPod dock, multi-room playback""",
        "plastic, memory foam, leather, wood, metal, fabric, aluminium, silicone, walnut veneer",
        "running, sports, travel, commuting, parties, gaming, studio recording, podcasts, home cinema, kitchen, bathroom, beach, DJing, conference calls, vinyl, car, meditation",
        "# W, # ohm, # Hz, # dB, # hours, # mm driver, # channels, # inch, # m range, # kHz, # presets, # g",
    ),
    "photo": department(
        """digital camera, compact camera, SLR camera, DSLR camera, mirrorless camera, system camera, instant camera, action camera, camcorder, video camera, dash cam, webcam, security camera, trail camera, underwater camera, lens, zoom lens,
        telephoto lens, wide-angle lens, macro lens, prime lens, tripod, monopod, gimbal, camera bag, camera case, camera strap, camera battery, battery grip, battery charger, flash, lens cap, lens filter, UV filter, polarising filter, lens hood, memory card case,
        ring light, softbox, light stand, photo backdrop, remote shutter, drone, binoculars, telescope, microscope, camera dock, film roll, spotting scope""",
        """digital, compact, waterproof, mirrorless, full-frame, professional, beginner, wide-angle, fast, image-stabilised, lightweight, foldable, carbon, wireless, shockproof, weather-sealed""",
        """optical zoom, image stabilisation, 4K video, swivel screen, face detection, burst mode, raw format, Wi-Fi transfer, night vision, GPS tagging, time lapse, slow motion, hot shoe, fast autofocus, quick-release plate, ball head,
        padded dividers, rain cover, multi-coated glass, bayonet mount, follow-me mode, obstacle avoidance, electronic viewfinder, infrared LEDs, memory included""",
        "aluminium, carbon fibre, plastic, nylon, glass, magnesium alloy, leather, canvas, neoprene",
        "travel, portraits, landscapes, vlogging, wildlife, weddings, sports, diving, astronomy, bird watching, product photos, studio work, video calls, home security, families",
        "# megapixels, #x optical zoom, # mm, f/#, # fps, # inch LCD, # mAh, # cm, # g, # kg load, # minutes flight time, # W, # MP",
    ),
    "gaming": department(
        """game console, handheld console, video game, board game, card game, puzzle, jigsaw puzzle, game controller, charging dock for controllers, console bundle, VR headset, gaming chair, gaming desk, role-playing game, racing game, shooter game,
        sports game, strategy game, adventure game, platform game, game download code, prepaid game card, arcade machine, dance mat, controller skin, chess set, dice set, trading cards, collectible figure, console carry case""",
        """limited edition, wireless, digital, used, sealed, multiplayer, co-operative, classic, remastered, retro, family, two-player, officially licensed""",
        """online multiplayer, split screen, motion controls, additional levels, season pass, story mode, hundreds of levels, region free, 4K graphics, adjustable armrests, lumbar cushion, haptic feedback, headphone jack, extra analogue sticks, soundtrack included""",
        "plastic, cardboard, wood, PU leather, steel, fabric",
        "children, adults, families, parties, parents, travel, collectors, living room, tournaments, winter evenings, birthday presents",
        "# players, # pieces, age #+, # minutes, # GB, # TB, # cards, # hours",
    ),
    "wearables": department(
        """smart watch, smartwatch, fitness tracker, GPS watch, sports watch, heart rate monitor, chest strap, activity tracker, watch strap, watch band, wristwatch, analogue watch, digital watch, chronograph, pedometer, smart ring, kids GPS tracker, luggage tracker,
        GPS navigation device, sat nav, bike computer, handheld GPS, dive computer, pocket watch, blood pressure monitor, thermometer, smart scale, pulse oximeter""",
        """waterproof, lightweight, rechargeable, slim, automatic, solar, rugged, unisex, digital, stainless, elegant, Bluetooth, wireless""",
        """heart rate sensor, sleep tracking, step counter, GPS tracking, message notifications, contactless payment, week-long battery, interchangeable straps, sapphire crystal, luminous hands, date display, stopwatch, lifetime map updates,
        lane assist, route planning, altimeter, compass, oxygen measurement, stress monitoring, quartz movement, music storage""",
        "silicone, stainless steel, leather, titanium, nylon, rubber, mineral glass, ceramic",
        "running, swimming, cycling, hiking, fitness, diving, golf, triathlon, everyday wear, driving, trucks, motorcycles, health, children",
        "# mm, # ATM, # days battery life, # inch, # g, # GB, # m water resistance, # maps",
    ),
    "power": department(
        """battery, batteries, rechargeable batteries, AA batteries, AAA batteries, button cell, coin cell, lithium battery, alkaline batteries, 9V battery, car battery, laptop battery, battery charger, power strip, surge protector, extension lead, UPS, uninterruptible power supply,
        power inverter, power adapter, laptop charger, AC adapter, solar panel, solar charger, generator, power station, voltage regulator, wall socket, smart plug, timer switch, light switch, dimmer, transformer, circuit breaker, electricity meter, battery pack""",
        """rechargeable, alkaline, lithium-ion, nickel metal hydride, long-lasting, universal, compact, replacement, heavy-duty, portable, smart, waterproof, original, compatible, low self-discharge, ready to use""",
        """overload protection, child safety lock, LED indicator, line-interactive, surge protection, USB charging ports, automatic voltage regulation, energy monitoring, voice control, deep cycle, leak-proof, no memory effect, multiple tips, folding plug, pure sine wave, trickle charge""",
        "plastic, lithium, lead acid, copper, zinc, rubber, monocrystalline silicon",
        "remote controls, toys, torches, laptops, servers, camping, clocks, cameras, caravans, workshops, hearing aids, smoke alarms, wireless mice, power cuts",
        "# mAh, # V, # Ah, # W, # VA, # outlets, # m, # pack, # A, # cells, # Wh, # kW, # pieces",
    ),
    "office": department(
        """calculator, pocket calculator, scientific calculator, graphing calculator, printing calculator, desk, computer desk, standing desk, office chair, filing cabinet, bookcase, paper shredder, laminator, laminating pouches, binding machine, stapler, staples, hole punch, ballpoint pen, fountain pen, gel pen,
        pencil, highlighter, marker, whiteboard, flip chart, notebook, notepad, diary, planner, envelope, ring binder, folder, sticky notes, adhesive tape, scissors, desk lamp, desk organiser, letter tray, rubber stamp, laptop stand, laptop bag, briefcase, laptop sleeve, footrest, safe, wall calendar, correction tape, glue stick""",
        """height-adjustable, ergonomic, refillable, lockable, magnetic, lined, squared, spiral-bound, cross-cut, recycled, A4, A5, mesh, solar-powered, swivel, executive, pocket-size""",
        """lumbar support, adjustable armrests, castors, memory presets, cable management, large display, solar cell, automatic feed, safety stop, quick-drying ink, soft grip, padded compartment, shoulder strap, trolley sleeve, acid-free paper, perforated pages, key lock, trigonometric functions""",
        "wood, steel, mesh, leather, paper, cardboard, plastic, oak, bamboo, nylon, polyester, glass, felt, cork",
        "office, home office, school, students, exams, accounting, meetings, drawing, architects, filing, signatures, teachers, engineers, desks",
        "# sheets, # pack, # cm, # mm, # pages, # g/m2, # digits, # inch, # kg, # drawers, # litres, # functions",
    ),
    "software": department(
        """operating system, antivirus software, internet security suite, office suite, accounting software, photo editing software, video editing software, language course, backup software, server licence, client access licence, database licence, CAD software, PDF editor,
        drawing program, music production software, encyclopedia, tax software, subscription card, streaming gift card, gift card, e-book, audiobook, extended warranty, service contract, support pack, training course, volume licence, virtualisation software, typing tutor""",
        """full version, upgrade, OEM, academic, download, boxed, multi-user, annual, perpetual, 64-bit, multilingual, single-user""",
        """next business day response, on-site service, automatic updates, cloud storage included, parental control, ransomware protection, drag and drop, templates included, import and export, for one device, priority support, parts and labour, user manual, key card by post""",
        "DVD, licence key, paper",
        "Windows, Mac, Linux, Android, home users, small businesses, students, schools, freelancers, families, beginners, professionals, servers, printers",
        "# user, # year, # devices, # licences, # months, # PC, # bit, # cores",
    ),
    "appliances": department(
        """refrigerator, fridge freezer, freezer, dishwasher, washing machine, washer, tumble dryer, washer dryer, oven, built-in oven, range, cooktop, gas hob, induction hob, cooker hood, range hood, microwave, microwave oven, toaster, toaster oven, kettle, coffee maker, coffee machine, espresso machine, coffee grinder,
        blender, hand mixer, stand mixer, food processor, juicer, slow cooker, rice cooker, pressure cooker, deep fryer, air fryer, bread maker, waffle iron, sandwich maker, electric grill, ice maker, ice cream maker, wine cooler, water dispenser, garbage disposal, vacuum cleaner, robot vacuum, cordless vacuum, steam cleaner, iron, steam iron,
        ironing board, sewing machine, fan, ceiling fan, tower fan, air conditioner, portable air conditioner, heater, space heater, dehumidifier, humidifier, air purifier, water heater, vacuum bags, water filter, dryer vent kit""",
        """stainless steel, built-in, freestanding, front-loading, top-loading, energy-efficient, quiet, cordless, bagless, compact, countertop, under-counter, black, white, integrated, frost-free, side by side, French door, energy star, double, slide-in""",
        """adjustable shelves, door alarm, delay start, child lock, digital display, self-cleaning, convection cooking, steam function, sensor cooking, timer, HEPA filter, removable tray, dishwasher-safe parts, variable speed, milk frother, auto shut-off, non-stick plates, moisture sensor, quick wash, glass shelves, ice dispenser, oscillation,
        thermostat, remote control, pet hair brush, interior light, sealed burners, half load, inverter motor, spin speed, defrost""",
        "stainless steel, glass, plastic, ceramic, enamel, aluminium, cast iron",
        "kitchen, small kitchens, families, laundry room, bedroom, pet owners, apartments, caravans, offices, carpets, hard floors, summer, basement, baking, breakfast, wine",
        "# litres, # cu. ft., # W, # BTU, # kg, # dB, # cups, # cm, # inch, # rpm, # programmes, # speeds, # slices, # kWh, # watts, # bottles, # quart",
    ),
    "kitchenware": department(
        """frying pan, saucepan, casserole dish, wok, roasting tin, baking tray, cake tin, muffin tin, chef's knife, bread knife, knife block, cutting board, chopping board, peeler, grater, can opener, corkscrew, whisk, spatula, ladle, rolling pin, measuring cups, kitchen scale, mixing bowl, colander, salad spinner, food storage container,
        lunch box, water bottle, thermos flask, travel mug, mug, teapot, wine glasses, drinking glass, dinner plates, soup bowl, cutlery set, spoon, fork, serving tray, tablecloth, tea towel, oven gloves, apron, spice rack, dish rack, bin, cookie cutter, pizza stone, mortar and pestle, cafetiere, kitchen roll holder, ice cube tray""",
        """non-stick, dishwasher-safe, stackable, reusable, leakproof, insulated, ovenproof, hand-made, microwave-safe, heavy-duty, vintage, enamelled, sharp, airtight, BPA-free, induction-compatible""",
        """heat-resistant handle, pouring lip, tight lid, silicone seal, keeps drinks hot for hours, keeps drinks cold, easy to clean, non-slip base, double wall, glass lid, riveted handle, set of four, gift box, forged blade, hanging loop""",
        "stainless steel, cast iron, ceramic, glass, bamboo, silicone, porcelain, copper, stoneware, cotton, linen, acacia wood, plastic, enamel, marble, melamine",
        "cooking, baking, roasting, camping, picnics, salads, soups, pasta, pizza, tea, coffee, wine, children, gifts, barbecues, leftovers, school lunch",
        "# cm, # ml, # litres, # pieces, # set, # inch, # oz, # cups, # g, # persons",
    ),
    "home": department(
        """sofa, armchair, coffee table, dining table, dining chair, bar stool, bookshelf, wardrobe, chest of drawers, bedside table, bed frame, mattress, mattress topper, pillow, duvet, duvet cover, bed sheet, blanket, throw, cushion, curtain, roller blind, rug, doormat, carpet, floor lamp, table lamp, ceiling light, night light, LED bulb, light bulb, candle, candle holder,
        vase, picture frame, mirror, wall clock, alarm clock, storage box, laundry basket, clothes airer, coat rack, shoe rack, shower curtain, bath mat, bath towel, toilet brush, soap dispenser, toilet seat, shower head, tap, towel rail, wallpaper, houseplant pot, fireplace, folding chair, string lights, doorbell, smoke detector, step stool, hanger, TV cabinet""",
        """foldable, washable, adjustable, extendable, upholstered, dimmable, energy-saving, wall-mounted, blackout, handmade, soft, cosy, modern, rustic, Scandinavian, antique, double, single, king-size, queen-size, round, hypoallergenic, scented, motion-activated, solar, waterproof""",
        """easy assembly, removable cover, anti-slip backing, machine washable, memory foam, pocket springs, storage drawer, soft-close, warm white light, motion sensor, remote control, thermal lining, quick-drying, adjustable height, quiet movement, hooks included, tool-free assembly, stain resistant, two drawers, water saving""",
        "oak, pine, walnut, beech, cotton, linen, velvet, wool, polyester, rattan, bamboo, glass, marble, steel, brass, ceramic, microfibre, down, jute, leather, plywood, concrete, satin",
        "living room, bedroom, bathroom, hallway, nursery, dining room, small spaces, balcony, guests, side sleepers, reading, relaxing, kitchen, children's room, attic, hotel",
        "# cm, # x # cm, # pack, # W, # lumens, # kg, # thread count, # litres, # inch, # tog, # shelves, # seats, # K",
    ),
    "garden": department(
        """lawn mower, robot mower, hedge trimmer, grass trimmer, leaf blower, chainsaw, pressure washer, garden hose, hose reel, sprinkler, watering can, spade, shovel, rake, garden fork, pruning shears, secateurs, wheelbarrow, plant pot, raised bed, greenhouse, compost bin, seeds, flower bulbs, fertiliser, potting soil, weed killer, lawn seed, bird feeder, bird house, garden furniture,
        patio table, sun lounger, hammock, parasol, gazebo, barbecue, gas grill, charcoal grill, charcoal, patio heater, fire pit, garden shed, fence panel, outdoor lights, solar lights, swimming pool, pool pump, pond liner, insect trap, mosquito net, garden gloves, kneeling pad, trellis, rain barrel""",
        """cordless, petrol, electric, battery-powered, telescopic, expandable, weatherproof, organic, UV-resistant, foldable, perennial, frost-resistant, rust-proof, self-propelled, heavy-duty, biodegradable, outdoor""",
        """brushless motor, adjustable cutting height, safety switch, anti-kink, ergonomic handle, easy start, drainage holes, side burner, warming rack, tilting, water-repellent cover, slow release, quick coupling, spare blades, folding handle, dusk sensor""",
        "steel, wood, teak, plastic, aluminium, terracotta, rattan, canvas, rubber, stoneware, polyethylene, eucalyptus",
        "lawns, hedges, roses, vegetables, tomatoes, balcony, patio, terraces, gardeners, weeds, indoor plants, herbs, autumn leaves, lawns and borders, pools, birds, driveways",
        "# V, # cm, # m, # litres, # kg, # bar, # W, # cc, # m2, # seeds, # burners, # Ah",
    ),
    "tools": department(
        """cordless drill, hammer drill, impact driver, electric screwdriver, circular saw, jigsaw, mitre saw, angle grinder, orbital sander, router, planer, heat gun, soldering iron, welding machine, glue gun, air compressor, nail gun, multitool, rotary tool, hammer, screwdriver set, spanner, wrench, socket set, pliers, wire stripper, crimping tool, hand saw, hacksaw, chisel, file, clamp, vice, spirit level,
        tape measure, laser level, multimeter, stud finder, torch, flashlight, head torch, work light, tool box, tool bag, workbench, ladder, drill bits, saw blade, sandpaper, screws, nails, bolts, nuts, washers, wall plugs, hinges, padlock, door lock, door handle, paint, paint brush, paint roller, masking tape, sealant, wood glue, safety goggles, ear defenders, work gloves, dust mask, hard hat, caulking gun, rope, chain, hook""",
        """cordless, brushless, variable-speed, heavy-duty, magnetic, professional, insulated, adjustable, ratcheting, galvanised, self-tapping, telescopic, folding, compact, fast-drying, water-based, stainless""",
        """keyless chuck, two batteries included, carrying case, LED work light, soft grip, reverse function, torque settings, dust extraction, quick blade change, soft start, chrome vanadium, non-conductive handle, auto-lock, belt clip, splash-proof, overload protection""",
        "steel, chrome vanadium, carbide, wood, plastic, rubber, brass, aluminium, zinc, fibreglass, nylon, titanium",
        "wood, metal, concrete, masonry, drywall, tiles, DIY, electricians, plumbers, carpenters, mechanics, furniture assembly, renovation, bicycles, outdoor use, roofing",
        "# V, # Nm, # mm, # pieces, # W, # rpm, # Ah, # m, # kg, # inch, # litres, # grit, # lumens, # bar",
    ),
    "clothing": department(
        """T-shirt, shirt, blouse, polo shirt, sweater, jumper, cardigan, hoodie, sweatshirt, jacket, rain jacket, winter coat, parka, down jacket, fleece, windbreaker, vest, blazer, suit, trousers, jeans, chinos, shorts, leggings, jogging bottoms, skirt, dress, evening gown, wedding dress, maternity dress, pyjamas, nightgown, dressing gown, underwear, boxer shorts, bra, sports bra, socks, tights, swimsuit, bikini, swimming trunks,
        scarf, gloves, mittens, beanie, cap, sun hat, belt, tie, bow tie, apron, romper, baby bodysuit, school uniform, raincoat, thermal underwear, overalls, work trousers, cycling jersey, hi-vis vest, costume, shawl""",
        """women's, men's, kids', girls', boys', unisex, slim-fit, loose, oversized, long-sleeved, short-sleeved, sleeveless, hooded, waterproof, windproof, breathable, insulated, striped, checked, floral, plain, printed, knitted, quilted, high-waisted, stretch, plus-size, vintage, casual, formal, reversible, organic, lined""",
        """zip pockets, elasticated waist, adjustable hood, crew neck, V-neck, button-down collar, taped seams, moisture-wicking, quick-drying, machine washable, side slits, drawstring, ribbed cuffs, wrinkle-free, reflective details, full zip, kangaroo pocket, lace trim, removable lining, flat seams, polo collar""",
        "cotton, organic cotton, wool, merino wool, cashmere, silk, linen, denim, polyester, fleece, viscose, corduroy, leather, suede, satin, nylon, lace, jersey, velvet, tweed, elastane, down, flannel, chiffon",
        "summer, winter, hiking, running, office, weddings, parties, school, beach, skiing, yoga, gym, rain, work, sleeping, pregnancy, everyday wear, cold weather, holidays, cycling, festivals",
        "size #, # pack, # g, # % cotton, # mm water column, # months, # cm",
    ),
    "shoes": department(
        """trainers, sneakers, running shoes, hiking boots, walking shoes, boots, ankle boots, rubber boots, wellingtons, snow boots, sandals, flip-flops, slippers, loafers, brogues, high heels, pumps, ballet flats, espadrilles, clogs, football boots, basketball shoes, tennis shoes, cycling shoes, climbing shoes, safety shoes, work boots, dance shoes, baby shoes, shoelaces, insoles, shoe polish, handbag, shoulder bag, tote bag, backpack, rucksack,
        wallet, purse, suitcase, travel bag, duffel bag, bum bag, sunglasses, umbrella, necklace, bracelet, earrings, ring, brooch, hair clip, keyring, cufflinks, jewellery box, carry-on luggage, toiletry bag, packing cubes""",
        """women's, men's, kids', leather, waterproof, lightweight, slip-on, lace-up, high-top, low-top, cushioned, breathable, vegan, orthopaedic, insulated, wide-fit, classic, anti-slip, hard-shell, expandable, gold-plated, polarised, foldable, skate""",
        """shock-absorbing midsole, grippy outsole, padded collar, removable insole, steel toe cap, memory foam, zip fastening, hook and loop strap, reflective heel, four spinner wheels, combination lock, laptop compartment, adjustable strap, RFID protection, UV protection, sterling silver, block heel, arch support""",
        "leather, suede, canvas, mesh, rubber, synthetic, nubuck, wool, cork, polycarbonate, nylon, silver, gold, stainless steel, faux fur, EVA, patent leather",
        "running, trail running, hiking, city, office, weddings, gym, walking, travel, beach, work, rain, snow, skateboarding, school, weekend trips, dancing, business trips, flat feet",
        "size #, # cm heel, # litres, # mm, # inch, # g, # kg, # pairs, # carat",
    ),
    "sports": department(
        """yoga mat, dumbbells, kettlebell, resistance bands, exercise bike, treadmill, rowing machine, cross trainer, weight bench, skipping rope, foam roller, gym ball, boxing gloves, punching bag, football, basketball, volleyball, tennis racket, tennis balls, badminton set, table tennis bat, golf clubs, golf balls, baseball bat, hockey stick, skateboard, scooter, inline skates, ice skates, skis, ski goggles, snowboard, sledge, surfboard, kayak, paddle board, wetsuit, swimming goggles, snorkel set,
        life jacket, bicycle, mountain bike, electric bike, road bike, balance bike, bike helmet, bike lock, bike light, bike pump, bike tyre, saddle, panniers, tent, sleeping bag, sleeping mat, camping stove, camping chair, cool box, hiking poles, climbing harness, carabiner, fishing rod, fishing reel, fishing line, hydration pack, compass, head lamp, trampoline, dartboard, darts, pool cue, horse riding helmet, protein shaker""",
        """lightweight, adjustable, folding, non-slip, inflatable, waterproof, windproof, ultralight, adult, junior, beginner, professional, two-person, four-person, carbon, full-suspension, quick-dry, anti-fog, portable, magnetic resistance, double-walled""",
        """carrying bag, LCD display, heart rate programmes, quick setup, taped seams, disc brakes, hydraulic brakes, shock absorption, extra grip, adjustable straps, UV-400 lenses, mosquito net, compact when packed, puncture protection, quick release, reflective strips, padded seat, transport wheels, repair kit included, ventilation openings""",
        "steel, aluminium, carbon fibre, rubber, foam, nylon, polyester, neoprene, leather, down, cork, titanium, PVC, wood, ripstop fabric, TPE",
        "home gym, beginners, camping, trekking, commuting, strength training, weight loss, competitions, children, winter sports, triathlon, fishing trips, festivals, beach, mountains, warm-up, team training, garden, yoga and pilates",
        "# kg, # cm, # mm, # litres, # gears, # inch wheels, # persons, # g, # levels, # m, # denier, °C comfort #, # lb",
    ),
    "children": department(
        """building blocks, construction set, doll, doll's house, teddy bear, stuffed animal, toy car, model train, remote control car, action figure, wooden toy, play kitchen, play tent, sandpit, swing, slide, tricycle, ride-on toy, water gun, bubble machine, kite, modelling clay, colouring book, crayons, finger paint, craft kit, science kit, musical toy, toy drum, puzzle, memory game, picture book, storybook, children's book,
        pushchair, stroller, pram, car seat, booster seat, cot, crib, high chair, baby carrier, baby monitor, changing mat, changing bag, nappies, diapers, baby wipes, baby bottle, bottle steriliser, breast pump, dummy, teething ring, bib, baby food, baby blanket, baby bouncer, play mat, mobile, night light, potty, safety gate, bath toy, school bag, pencil case, lunch box""",
        """educational, wooden, soft, colourful, washable, battery-operated, interactive, musical, magnetic, foldable, organic, glow-in-the-dark, personalised, age-appropriate, creative, hypoallergenic, lightweight, reversible, non-toxic""",
        """rounded edges, light and sound effects, develops motor skills, five-point harness, one-hand fold, easy to clean, machine washable, non-toxic paint, removable tray, encourages imagination, parts stored in a box, batteries included, adjustable straps, rear-facing, anti-colic valve, pop-up pages""",
        "wood, plastic, cotton, plush, felt, silicone, cardboard, foam, polyester, beech wood, bamboo, rubber",
        "toddlers, babies, newborns, preschool children, boys, girls, birthday, Christmas, garden, bath time, bedtime, learning to walk, learning letters, rainy days, car journeys, kindergarten, twins",
        "age #+, # months, # pieces, # pack, # cm, # kg, # ml, # pages, # years, # colours",
    ),
    "grocery": department(
        """coffee beans, ground coffee, instant coffee, coffee pods, green tea, black tea, herbal tea, hot chocolate, orange juice, apple juice, sparkling water, mineral water, lemonade, cola, energy drink, beer, red wine, white wine, gin, whisky, milk, oat milk, soy milk, almond drink, butter, margarine, cream, sour cream, yogurt, natural yoghurt, cheddar cheese, mozzarella, feta, cream cheese, eggs, white bread, wholemeal bread, sourdough, rolls, bagels, tortillas, crispbread, breakfast cereal,
        muesli, porridge oats, flour, sugar, brown sugar, honey, jam, peanut butter, chocolate spread, maple syrup, olive oil, sunflower oil, vinegar, soy sauce, tomato ketchup, mayonnaise, mustard, pesto, pasta sauce, spaghetti, penne, noodles, basmati rice, couscous, quinoa, lentils, chickpeas, kidney beans, tinned tomatoes, tinned tuna, sardines, soup, stock cubes, curry paste, coconut milk, salt, black pepper, paprika, cinnamon, vanilla, baking powder, yeast, crisps, crackers, popcorn, nuts, almonds, raisins,
        dark chocolate, milk chocolate bar, biscuits, cookies, cake, ice cream, sweets, chewing gum, granola bar, frozen pizza, frozen peas, fish fingers, chicken breast, minced beef, sausages, bacon, ham, salami, salmon fillet, prawns, tofu, vegetarian burger, apples, bananas, pears, oranges, lemons, limes, grapes, strawberries, blueberries, mango, pineapple, avocado, kiwi, melon, peach, plum, nectarine, pomegranate, papaya, passion fruit, tomatoes, cucumber, lettuce, carrots, potatoes, onions, garlic, ginger, leek, cabbage, broccoli, cauliflower, peppers, aubergine,
        courgette, mushrooms, spinach, asparagus, beetroot, sweet potato, pumpkin, fresh basil, parsley, dog food, cat food, cat litter, dog treats, bird seed, fish food""",
        """organic, fair trade, gluten-free, vegan, sugar-free, low-fat, fresh, frozen, dried, roasted, salted, unsalted, smoked, ripe, sweet, spicy, mild, whole, sliced, grated, unsweetened, decaffeinated, lactose-free, local, seedless, crunchy, creamy, wholegrain, tinned""",
        """rich in fibre, high in protein, no added sugar, source of vitamin C, resealable pack, suitable for vegetarians, full-bodied flavour, fruity aroma, no artificial colours, hand-picked, slow roasted, cold pressed, stone ground, made with fresh cream, ready in minutes, matured for twelve months, free-range, juicy flesh, tart taste""",
        "glass jar, carton, tin, paper bag, plastic bottle, compostable capsule",
        "breakfast, lunch, dinner, snacks, baking, salads, soups, smoothies, barbecues, sandwiches, curries, pasta dishes, desserts, picnics, children, athletes, puppies, kittens, stews, toast",
        "# g, # kg, # ml, # litres, # pack, # bags, # x # ml, # capsules, # servings, # % fat, # % cocoa",
    ),
    "care": department(
        """shampoo, conditioner, hair mask, hair dryer, hair straightener, curling iron, hairbrush, comb, hair gel, hair dye, shower gel, soap, hand wash, hand cream, body lotion, face cream, night cream, serum, cleanser, face mask, sunscreen, after-sun lotion, lip balm, lipstick, mascara, foundation, eyeshadow, nail polish, make-up remover, cotton pads, perfume, eau de toilette, aftershave, deodorant, electric shaver, razor, razor blades, shaving foam, beard trimmer, hair clipper, epilator, toothbrush, electric toothbrush,
        toothbrush heads, toothpaste, mouthwash, dental floss, vitamin tablets, fish oil capsules, plasters, bandage, first aid kit, painkillers, cough syrup, nasal spray, reading glasses, contact lens solution, hot water bottle, massage gun, massage chair, foot bath, heating pad, toilet paper, kitchen roll, tissues, laundry detergent, fabric softener, washing-up liquid, dishwasher tablets, all-purpose cleaner, glass cleaner, bleach, bin bags, sponges, mop, broom, bucket, dustpan, air freshener, scented candle, insect repellent""",
        """fragrance-free, hydrating, anti-ageing, moisturising, vegan, natural, sensitive, waterproof, travel-size, refillable, antibacterial, biodegradable, whitening, long-lasting, volumising, anti-dandruff, concentrated, rechargeable, ceramic, ionic, disposable, extra-soft""",
        """with aloe vera, with hyaluronic acid, vitamin E, SPF 50, dermatologically tested, not tested on animals, no parabens, quick absorption, three attachments, travel lock, pressure sensor, two-minute timer, cool shot, foldable handle, adjustable comb, removes stains, kills 99.9% of bacteria, lemon fragrance, floral scent, wet and dry use""",
        "plastic, ceramic, bamboo, cotton, glass bottle, titanium, boar bristle, microfibre, keratin, tea tree oil, shea butter, charcoal",
        "dry skin, oily skin, sensitive skin, curly hair, fine hair, men, women, babies, travel, beach, kitchen, bathroom, sports, gums, allergies, floors, windows, coloureds, whites, cuts and grazes",
        "# ml, # pack, # tablets, # rolls, # g, # washes, # W, # pieces, # blades, SPF #, # sheets, # litres, # minutes",
    ),
    "vehicle": department(
        """car tyre, winter tyre, wheel rim, wiper blades, engine oil, oil filter, air filter, brake pads, brake disc, spark plug, headlight bulb, car battery charger, jump starter, car mat, seat cover, steering wheel cover, roof rack, roof box, bike carrier, tow bar, child car seat, phone mount, dash camera, parking sensor, reversing camera, car vacuum, car wash shampoo, car polish, ice scraper, snow chains, warning triangle, tyre inflator, car amplifier, in-dash receiver, motorcycle helmet, motorcycle jacket,
        motorcycle gloves, chain lube, car cover, antifreeze, screen wash, trailer, GPS tracker, radar detector, power inverter, fuel can, exhaust, clutch kit, alternator, wing mirror, number plate holder, marine battery, boat fender""",
        """universal, heavy-duty, all-season, synthetic, front, rear, chrome, waterproof, wireless, OEM, left, right, folding, magnetic, 12-volt, run-flat, full-face""",
        """easy fitting, fits most models, anti-fog visor, long service life, low fuel consumption, quiet running, LED lights, digital pressure gauge, wide angle, night vision, touch screen, satellite radio ready, custom fit, lockable, non-slip, tested to ECE standard""",
        "rubber, steel, aluminium, leather, polyester, ceramic, neoprene, plastic, microfibre, carbon steel",
        "car, van, truck, motorcycle, caravan, motorhome, boat, trailer, winter, long journeys, dogs, families, SUV, camping, electric cars",
        "# V, # W, # litres, # R#, # mm, # kg, # inch, # bar, # A, 5W-#, # pack, # psi",
    ),
    "media": department(
        """novel, crime novel, fantasy book, cookbook, travel guide, biography, textbook, dictionary, comic book, manga, graphic novel, poetry collection, children's book, audiobook, magazine subscription, sheet music, road map, wall map, globe, atlas, calendar, greeting card, poster, art print, canvas print, music CD, vinyl record, film on DVD, film on Blu-ray, TV series box set, documentary, concert film, acoustic guitar, electric guitar, bass guitar, ukulele, violin, piano, digital piano, keyboard instrument, drum kit, drumsticks, harmonica, flute, saxophone, trumpet,
        guitar strings, guitar amplifier, music stand, metronome, guitar tuner, effects pedal, capo, easel, acrylic paint, watercolours, oil paints, sketchbook, canvas, knitting yarn, knitting needles, crochet hook, sewing kit, fabric, embroidery kit, beads, stickers, wrapping paper, gift bag, balloons, party decorations, puppet, model kit""",
        """illustrated, hardcover, paperback, signed, bilingual, second-hand, bestselling, classic, special edition, restored, uncut, beginner's, half-size, left-handed, six-string, weighted, acoustic, hand-drawn, framed, historical, romantic, thrilling""",
        """large print, colour photographs, index and glossary, subtitles, director's commentary, bonus disc, digital copy, step-by-step instructions, exercises with solutions, fold-out map, USB MIDI, headphone socket, gig bag, solid spruce top, rosewood fretboard, touch-sensitive keys, lightfast pigments, machine washable yarn""",
        "paper, canvas, wood, spruce, mahogany, brass, vinyl, wool, cotton, acrylic, linen, steel strings, nylon strings",
        "beginners, children, learners, students, collectors, film lovers, history lovers, cooks, travellers, musicians, painters, rehearsals, gifts, holidays, evenings, weddings, schools",
        "# pages, # discs, # minutes, # keys, # ml, # sheets, # g, # colours, # volumes, # cm, # strings, # x # cm",
    ),
    "business": department(
        """cash register, point of sale terminal, cash drawer, card terminal, barcode label, price gun, shop shelf, shopping cart, display case, packing tape, cardboard box, bubble wrap, pallet, pallet truck, forklift, hand truck, stretch film, postal scale, platform scale, industrial shelving, storage bin, conveyor, safety sign, fire extinguisher, first aid cabinet, time clock, access control reader, turnstile, CCTV recorder, banknote counter, coin sorter, vending machine, ice machine, commercial dishwasher, bain-marie, chafing dish, catering trolley, disposable gloves,
        face shield, lab coat, test tube, pipette, centrifuge, stethoscope, wheelchair, walking frame, hospital bed, hearing aid, crutches, massage table, dental mirror, hydraulic pump, pressure gauge, ball valve, pipe fitting, bearing, gearbox, electric motor, relay, sensor, PLC module, terminal block, enclosure, heat shrink tubing, oscilloscope, resistor, capacitor, transistor, microcontroller board, breadboard, jumper wires, stepper motor, soldering station, magnet""",
        """industrial, commercial, heavy-duty, disposable, sterile, programmable, stackable, galvanised, explosion-proof, certified, rack-mounted, bulk, three-phase, calibrated, non-woven, wall-mounted, self-adhesive""",
        """stainless steel housing, IP67 protection, digital readout, RS-232 interface, DIN rail mounting, calibration certificate, load capacity, swivel castors, latex-free, CE marked, low maintenance, corrosion resistant, adjustable feet, quick coupling, torque limiter, wide temperature range""",
        "stainless steel, steel, brass, PVC, nitrile, latex, aluminium, polypropylene, copper, cast iron, ceramic, borosilicate glass",
        "warehouses, shops, restaurants, laboratories, hospitals, factories, post rooms, workshops, schools, hotels, construction sites, clinics, prototypes, automation, supermarkets, canteens",
        "# kg, # mm, # V, # bar, # litres, # pack, # A, # kW, # ohm, # pieces, # rolls, # uF, # inch, # channels",
    ),
}

COLOURS = words(
    """black, white, grey, silver, blue, navy blue, light blue, turquoise, teal, green, dark green, olive, red, burgundy, pink, rose gold, purple, violet,
    yellow, orange, brown, beige, cream, gold, copper, anthracite, charcoal, multicoloured, transparent, khaki, lime, mint, space grey, titanium, ivory"""
)

QUALITIES = words(
    """cheap, best, good, new, small, large, big, strong, simple, affordable, cool, original, quality, inexpensive, mini, professional, light,
    stylish, durable, second hand, reliable, beautiful, quiet, fast, easy to use, discount, top rated, luxury, high quality, eco-friendly, sustainable"""
)

PEOPLE = words(
    """kids, children, men, women, my dad, my mother, teenagers, beginners, seniors, professionals, dog owners, a friend, toddlers, students, gamers, travellers,
    my wife, grandparents, left-handed people, a teenage girl, photographers, teachers, cooks"""
)

PROBLEMS = words(
    """keeps breaking, that does not slip, that lasts all day, under 50, under 100 euros, without wires, with long cable, that fits in a backpack, easy to clean, that is quiet,
    with free delivery, on sale, for small hands, that does not leak, without batteries, with good reviews, that works outdoors, for a small flat, that charges fast, to hang on the wall,
    with two year warranty, in stock, that can be folded, made in Europe, without plastic, to take on a plane"""
)

TRADE = words(
    """pack of #, set of #, #-pack, # pc(s), model year #, bulk, retail box, OEM, with accessories, replacement, starter kit, bundle, gift set, spare part, series #, version #, value pack, promo pack, refill"""
)
